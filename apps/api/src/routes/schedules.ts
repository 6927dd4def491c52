/** /v1/schedules: jobs that are made again at the times of a cron expression. Who makes them: the orchestrator. */
import {
  Firing,
  FiringOutcome,
  LabelQuery,
  PageQuery,
  pageOf,
  Schedule,
  ScheduleCreate,
  ScheduleUpdate,
} from '@rela/contracts';
import { planScheduledJob } from '@rela/stages';
import { z } from 'zod';
import { IdempotencyHeaders, once } from '../http/idempotency.js';
import { problems, ReferencePath } from '../http/responses.js';
import { findSchedule } from '../references.js';
import type { Routes } from './route.js';

const tags = ['schedules'];

const ScheduleQuery = PageQuery.extend({
  label: z
    .union([LabelQuery.transform((one) => [one]), z.array(LabelQuery).max(32)])
    .optional()
    .describe('key=value: only schedules with this label; given several times, with all of them'),
});

const FiringQuery = PageQuery.extend({
  outcome: FiringOutcome.optional().describe('only firings of which this became'),
});

export const scheduleRoutes: Routes = async (app, context) => {
  app.route({
    method: 'POST',
    url: '/v1/schedules',
    schema: {
      tags,
      operationId: 'createSchedule',
      summary: 'Make a schedule',
      description:
        'A job, and the times at which it is submitted. The job is checked now as if it were submitted, and again at each time.',
      headers: IdempotencyHeaders,
      body: ScheduleCreate,
      response: { 201: Schedule, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, request.body, async () => {
        await planScheduledJob({ ...context, database: request.database }, request.body);
        return async (tx) => {
          const body = await request.database.schedules.create(request.body, tx);
          return { status: 201, location: `/v1/schedules/${body.id}`, body };
        };
      }),
  });

  app.route({
    method: 'GET',
    url: '/v1/schedules',
    schema: {
      tags,
      operationId: 'listSchedules',
      summary: 'List schedules, newest first, each with its next time',
      querystring: ScheduleQuery,
      response: { 200: pageOf(Schedule), ...problems },
    },
    handler: ({ database, query: { label, ...query } }) =>
      database.schedules.list({ ...query, labels: label && Object.assign({}, ...label) }),
  });

  app.route({
    method: 'GET',
    url: '/v1/schedules/:id',
    schema: {
      tags,
      operationId: 'getSchedule',
      summary: 'Look up a schedule with its next times and its last firings',
      params: ReferencePath,
      response: { 200: Schedule, ...problems },
    },
    handler: (request) => findSchedule(request.database, request.params.id),
  });

  app.route({
    method: 'PATCH',
    url: '/v1/schedules/:id',
    schema: {
      tags,
      operationId: 'updateSchedule',
      summary: 'Change a schedule',
      description:
        'What is given takes the place of what was. Another timetable, and the end of a pause, count from now. Jobs that were made stay as they are.',
      params: ReferencePath,
      body: ScheduleUpdate,
      response: { 200: Schedule, ...problems },
    },
    handler: async (request) => {
      const before = await findSchedule(request.database, request.params.id);
      if (request.body.job || request.body.labels)
        await planScheduledJob({ ...context, database: request.database }, { ...before, ...request.body });
      return request.database.schedules.update(before.id, request.body);
    },
  });

  app.route({
    method: 'DELETE',
    url: '/v1/schedules/:id',
    schema: {
      tags,
      operationId: 'deleteSchedule',
      summary: 'Delete a schedule and its firings; its jobs stay',
      params: ReferencePath,
      response: { 204: z.null().describe('it is gone'), ...problems },
    },
    handler: async (request, reply) => {
      const { id } = await findSchedule(request.database, request.params.id);
      await request.database.schedules.remove(id);
      return reply.code(204).send(null);
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/schedules/:id/trigger',
    schema: {
      tags,
      operationId: 'triggerSchedule',
      summary: 'Make a job of a schedule now',
      description:
        'Also while it is paused. Its timetable stays as it is, and `concurrency` holds: where it forbids another job, this is a conflict.',
      headers: IdempotencyHeaders,
      params: ReferencePath,
      response: { 202: Firing, ...problems },
    },
    handler: (request, reply) =>
      once(request, reply, null, async () => {
        const schedule = await findSchedule(request.database, request.params.id);
        const plan = await planScheduledJob({ ...context, database: request.database }, schedule);
        return async (tx) => {
          const body = await request.database.schedules.trigger(schedule.id, plan, tx);
          return { status: 202, location: `/v1/jobs/${body.jobId}`, body };
        };
      }),
  });

  app.route({
    method: 'GET',
    url: '/v1/schedules/:id/firings',
    schema: {
      tags,
      operationId: 'listFirings',
      summary: 'List what became of the times of a schedule, newest first',
      description: 'The latest thousand are kept.',
      params: ReferencePath,
      querystring: FiringQuery,
      response: { 200: pageOf(Firing), ...problems },
    },
    handler: async (request) => {
      const { id } = await findSchedule(request.database, request.params.id);
      return request.database.schedules.firings(id, request.query);
    },
  });
};
