/** /v1/jobs/:id/events: what happens to a job, as a stream or as pages. */
import { Readable } from 'node:stream';
import { hasEnded, JobEvent, pageOf } from '@rela/contracts';
import { z } from 'zod';
import { streamEvents } from '../events/stream.js';
import { IdPath, LARGEST_NUMBER, problems, Streamed } from '../http/responses.js';
import { findJob } from '../references.js';
import type { Routes } from './route.js';

const EVENT_STREAM = 'text/event-stream';

const sequence = z.coerce.number().int().nonnegative().max(LARGEST_NUMBER);

const EventQuery = z.object({
  after: sequence.optional().describe('only events after this sequence; Last-Event-ID wins over it'),
  limit: z.coerce.number().int().min(1).max(1000).default(200).describe('events a page, for JSON'),
});

const EventHeaders = z.looseObject({
  'last-event-id': sequence.optional().describe('sequence of the last event that was received'),
});

/** JSON is for those who ask for it; everybody else gets the stream. */
function wantsPage(accept: string | undefined): boolean {
  return accept?.includes('application/json') === true && !accept.includes(EVENT_STREAM);
}

export const eventRoutes: Routes = async (app, { watchers }) => {
  app.route({
    method: 'GET',
    url: '/v1/jobs/:id/events',
    exposeHeadRoute: false,
    schema: {
      tags: ['jobs'],
      operationId: 'followJob',
      summary: 'Follow a job: server-sent events, or a page of them as JSON',
      description: [
        'The stream gives every event of the job from the first one on, or after Last-Event-ID: `event` is `job`, `run`, `stage`, `switch` or `checkpoint`, `id` is the sequence, `data` is a JobEvent. Between them come `event: progress` messages without id, whose data is the Job, when its progress has changed, at most once a second.',
        'It ends after the job has ended; asking again then gives 204. It ends too, within half a minute, when the key that it was asked for with is revoked or expires. With `Accept: application/json` the answer is one page of events instead, whose `next` is the `after` of the next page.',
      ].join('\n\n'),
      params: IdPath,
      querystring: EventQuery,
      headers: EventHeaders,
      response: {
        200: {
          description: 'Events by rising sequence',
          content: {
            [EVENT_STREAM]: { schema: Streamed },
            'application/json': { schema: pageOf(JobEvent) },
          },
        },
        204: z.undefined().describe('The job has ended and has no event after Last-Event-ID'),
        ...problems,
      },
    },
    handler: async (request, reply) => {
      const job = await findJob(request.database, request.params.id);
      const given = request.headers['last-event-id'] ?? request.query.after;
      const after = given ?? 0;
      if (wantsPage(request.raw.headers.accept)) {
        const { limit } = request.query;
        const items = await request.database.events.list(job.id, after, limit);
        const next = items.length === limit ? String(items.at(-1)?.sequence) : null;
        return reply.type('application/json').send({ items: [...items], next });
      }
      // An EventSource connects again and again unless it is told that nothing more comes.
      if (given !== undefined && hasEnded(job.status)) {
        const more = await request.database.events.list(job.id, after, 1);
        if (more.length === 0) return reply.code(204).send();
      }
      const left = new AbortController();
      const watcher = watchers.watch(job.id);
      reply.raw.once('close', () => {
        left.abort();
        watcher.close();
      });
      const pieces = streamEvents({
        database: request.database,
        jobId: job.id,
        after,
        watcher,
        signal: AbortSignal.any([left.signal, watchers.ended]),
        isStillAllowed: request.isStillAllowed,
      });
      reply
        .type(`${EVENT_STREAM}; charset=utf-8`)
        .header('cache-control', 'no-cache, no-transform')
        .header('x-accel-buffering', 'no');
      return reply.send(Readable.from(pieces));
    },
  });
};
