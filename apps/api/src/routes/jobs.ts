/** /v1/jobs: submits trainings, lists them, cancels them. */
import { Job, JobCreate, JobStatus, PageQuery, pageOf } from '@rela/contracts';
import { IdempotencyHeaders, once } from '../http/idempotency.js';
import { IdPath, problems } from '../http/responses.js';
import { planRequest } from '../jobs/plan.js';
import { findJob } from '../references.js';
import type { Routes } from './route.js';

const tags = ['jobs'];

const JobQuery = PageQuery.extend({ status: JobStatus.optional().describe('only jobs in this state') });

export const jobRoutes: Routes = async (app, context) => {
  const { database } = context;
  app.route({
    method: 'POST',
    url: '/v1/jobs',
    schema: {
      tags,
      operationId: 'createJob',
      summary: 'Submit a job',
      description:
        'One data set, one prior where ReLA is used, and runs, or targets to train with elsewhere. Accepted when it is written down; follow it at /v1/jobs/{id}/events.',
      headers: IdempotencyHeaders,
      body: JobCreate,
      response: { 202: Job, ...problems },
    },
    handler: (request, reply) =>
      once(database, request, reply, request.body, async () => {
        const plan = await planRequest(context, request.body);
        return async (tx) => {
          const job = await database.jobs.create(plan, tx);
          return { status: 202, location: `/v1/jobs/${job.id}`, body: job };
        };
      }),
  });

  app.route({
    method: 'GET',
    url: '/v1/jobs',
    schema: {
      tags,
      operationId: 'listJobs',
      summary: 'List jobs, newest first',
      querystring: JobQuery,
      response: { 200: pageOf(Job), ...problems },
    },
    handler: (request) => database.jobs.list(request.query),
  });

  app.route({
    method: 'GET',
    url: '/v1/jobs/:id',
    schema: {
      tags,
      operationId: 'getJob',
      summary: 'Look up a job with its runs and the progress of its stages',
      params: IdPath,
      response: { 200: Job, ...problems },
    },
    handler: (request) => findJob(database, request.params.id),
  });

  app.route({
    method: 'POST',
    url: '/v1/jobs/:id/cancel',
    schema: {
      tags,
      operationId: 'cancelJob',
      summary: 'Cancel a job',
      description:
        'What waits is dropped at once, what runs is told to stop; the job is `cancelled` when nothing of it runs any more. Cancelling again changes nothing.',
      headers: IdempotencyHeaders,
      params: IdPath,
      response: { 202: Job, ...problems },
    },
    handler: (request, reply) =>
      once(database, request, reply, null, async () => {
        const { id } = await findJob(database, request.params.id);
        const body = await database.jobs.cancel(id);
        return async () => ({ status: 202, location: `/v1/jobs/${id}`, body });
      }),
  });
};
