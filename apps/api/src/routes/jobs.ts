/** /v1/jobs: submits trainings, lists them, cancels, pauses and sends them again. */
import {
  Job,
  JobCreate,
  JobRetry,
  JobStage,
  JobStatus,
  LabelQuery,
  PageQuery,
  pageOf,
} from '@rela/contracts';
import type { Transaction } from '@rela/database';
import { planRequest, readJob } from '@rela/stages';
import { z } from 'zod';
import { IdempotencyHeaders, once } from '../http/idempotency.js';
import { IdPath, problems } from '../http/responses.js';
import { bodyAsWritten } from '../http/validation.js';
import { acceptJob } from '../jobs/accept.js';
import { findJob } from '../references.js';
import type { Routes } from './route.js';

const tags = ['jobs'];

const JobQuery = PageQuery.extend({
  status: JobStatus.optional().describe('only jobs in this state'),
  name: z.string().min(1).max(120).optional().describe('only jobs whose name starts so, in any case'),
  label: z
    .union([LabelQuery.transform((one) => [one]), z.array(LabelQuery).max(32)])
    .optional()
    .describe('key=value: only jobs with this label; given several times, with all of them'),
  schedule: z.string().max(64).optional().describe('only jobs that the schedule with this id made'),
});

export const jobRoutes: Routes = async (app, context) => {
  app.route({
    method: 'POST',
    url: '/v1/jobs',
    schema: {
      tags,
      operationId: 'createJob',
      summary: 'Submit a job',
      description:
        'One data set, one prior where ReLA is used, and runs, or targets to train with elsewhere. A `matrix` makes a run of every combination of its values. Accepted when it is written down; follow it at /v1/jobs/{id}/events.',
      headers: IdempotencyHeaders,
      body: JobCreate,
      response: { 202: Job, ...problems },
    },
    validatorCompiler: bodyAsWritten,
    handler: async (request, reply) => {
      const job = readJob(request.body);
      return once(request, reply, job.request, async () => {
        const plan = await planRequest({ ...context, database: request.database }, job);
        return async (tx) => {
          const body = await acceptJob(request.database, request.identity.limits, plan, tx);
          return { status: 202, location: `/v1/jobs/${body.id}`, body };
        };
      });
    },
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
    handler: ({ database, query: { label, ...query } }) =>
      database.jobs.list({ ...query, labels: label && Object.assign({}, ...label) }),
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
    handler: (request) => findJob(request.database, request.params.id),
  });

  app.route({
    method: 'GET',
    url: '/v1/jobs/:id/stages',
    schema: {
      tags,
      operationId: 'listJobStages',
      summary: 'List the stages of a job, in the order of the plan',
      params: IdPath,
      querystring: PageQuery,
      response: { 200: pageOf(JobStage), ...problems },
    },
    handler: async (request) => {
      const { id } = await findJob(request.database, request.params.id);
      return request.database.stages.page(id, request.query);
    },
  });

  for (const { verb, summary, description } of [
    {
      verb: 'cancel',
      summary: 'Cancel a job',
      description:
        'What waits is dropped at once, what runs is told to stop; the job is `cancelled` when nothing of it runs any more. Cancelling again changes nothing.',
    },
    {
      verb: 'pause',
      summary: 'Pause a job',
      description:
        'Nothing of it starts any more; what runs keeps a checkpoint and stops. Pausing again changes nothing.',
    },
    {
      verb: 'resume',
      summary: 'Resume a paused job',
      description: 'It goes on from its checkpoints. A job that is not paused is left as it is.',
    },
  ] as const)
    app.route({
      method: 'POST',
      url: `/v1/jobs/:id/${verb}`,
      schema: {
        tags,
        operationId: `${verb}Job`,
        ...{ summary, description },
        headers: IdempotencyHeaders,
        params: IdPath,
        response: { 202: Job, ...problems },
      },
      handler: (request, reply) =>
        once(request, reply, null, async () => {
          const body = await request.database.jobs[verb](request.params.id);
          return async () => ({ status: 202, location: `/v1/jobs/${body.id}`, body });
        }),
    });

  app.route({
    method: 'POST',
    url: '/v1/jobs/:id/retry',
    schema: {
      tags,
      operationId: 'retryJob',
      summary: 'Send a job again that has ended',
      description:
        'What failed or was cancelled goes on from its checkpoints, with as many tries as a new one. `from` a stage, it and all that builds on it is made again from the start, and what else failed or was cancelled is sent again too.',
      headers: IdempotencyHeaders,
      params: IdPath,
      body: JobRetry.default({}),
      response: { 202: Job, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, request.body, async () => async (tx) => {
        const { jobs, quotas, transaction } = request.database;
        const retry = async (within: Transaction) => {
          await quotas.assertJobs(request.identity.limits, within);
          return jobs.retry(request.params.id, request.body, within);
        };
        const body = await (tx ? retry(tx) : transaction(retry));
        return { status: 202, location: `/v1/jobs/${body.id}`, body };
      }),
  });
};
