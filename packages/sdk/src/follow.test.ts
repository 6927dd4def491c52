import type { ServerResponse } from 'node:http';
import type { JobEvent } from '@rela/contracts';
import { afterEach, expect, it } from 'vitest';
import { RelaClient } from './client.js';
import type { JobUpdate } from './follow.js';
import { job, jobEvent, problem } from './testing/resources.js';
import { sendJson, serve, type TestServer } from './testing/server.js';

let server: TestServer | undefined;
afterEach(() => server?.close());

function openStream(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { 'content-type': 'text/event-stream' });
}

function sendEvent(response: ServerResponse, event: JobEvent): void {
  response.write(`id: ${event.sequence}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

async function follow(url: string, options = {}): Promise<JobUpdate[]> {
  const updates: JobUpdate[] = [];
  for await (const update of new RelaClient({ baseUrl: url }).jobs.follow('job_1', options))
    updates.push(update);
  return updates;
}

const sequences = (updates: JobUpdate[]) =>
  updates.flatMap((update) => (update.type === 'progress' ? [] : [update.sequence]));

it('goes on with the next event after a connection that broke, without a repetition', async () => {
  server = await serve((request, response, before) => {
    if (before === 2) return sendJson(response, 503, problem('unavailable'));
    if (before === 4) return response.writeHead(204).end();
    openStream(response);
    const last = Number(request.headers['last-event-id'] ?? 0);
    // The second connection repeats an event that the first one gave.
    const from = before === 1 ? last : last + 1;
    if (before === 3) {
      sendEvent(response, jobEvent(from, 'succeeded'));
      response.end();
      return;
    }
    sendEvent(response, jobEvent(from, 'queued'));
    sendEvent(response, jobEvent(from + 1, 'running'));
    response.write('id: 99\nevent: run\ndata: {"half', () => request.socket.destroy());
  });
  expect(sequences(await follow(server.url))).toEqual([1, 2, 3, 4]);
  expect(server.requests.map((request) => request.headers['last-event-id'])).toEqual([
    undefined,
    '2',
    '3',
    '3',
    '4',
  ]);
});

it('ends with the last event of the job, though the connection stays open', async () => {
  server = await serve((_request, response, before) => {
    if (before > 0) return response.writeHead(204).end();
    openStream(response);
    sendEvent(response, jobEvent(1, 'cancelled'));
  });
  expect(sequences(await follow(server.url))).toEqual([1]);
});

it('goes on where a job that had ended was sent again, and needs nobody to say that it had ended', async () => {
  server = await serve((request, response) => {
    const last = Number(request.headers['last-event-id'] ?? 0);
    if (last === 3) return request.socket.destroy();
    openStream(response);
    if (last === 0) sendEvent(response, jobEvent(1, 'failed'));
    if (last === 1) {
      sendEvent(response, jobEvent(2, 'queued'));
      sendEvent(response, jobEvent(3, 'succeeded'));
    }
  });
  expect(sequences(await follow(server.url))).toEqual([1, 2, 3]);
});

it('ends where the service says that there is nothing more', async () => {
  server = await serve((_request, response) => response.writeHead(204).end());
  expect(await follow(server.url, { lastEventId: 7 })).toEqual([]);
  expect(server.requests[0]?.headers['last-event-id']).toBe('7');
});

it('gives progress between the events', async () => {
  server = await serve((_request, response, before) => {
    if (before > 0) return response.writeHead(204).end();
    openStream(response).write(`: hello\n\nevent: progress\ndata: ${JSON.stringify(job('running'))}\n\n`);
    sendEvent(response, jobEvent(1, 'succeeded'));
    response.end();
  });
  expect(await follow(server.url)).toEqual([
    { type: 'progress', job: job('running') },
    jobEvent(1, 'succeeded'),
  ]);
});

it('throws the problem of a job that does not exist at once', async () => {
  server = await serve((_request, response) => sendJson(response, 404, problem('not-found')));
  await expect(follow(server.url)).rejects.toMatchObject({ code: 'not-found' });
  expect(server.requests).toHaveLength(1);
});

it('loses patience with a service that stays away', async () => {
  server = await serve((_request, response) => sendJson(response, 503, problem('unavailable')));
  await expect(follow(server.url, { patienceSeconds: 0.1 })).rejects.toMatchObject({ code: 'unavailable' });
});

it('closes its connection when nobody wants to hear more', async () => {
  const closed = new Promise<void>((resolve) => {
    void serve((request, response) => {
      openStream(response);
      sendEvent(response, jobEvent(1, 'queued'));
      request.socket.once('close', () => resolve());
    }).then(async (started) => {
      server = started;
      for await (const update of new RelaClient({ baseUrl: started.url }).jobs.follow('job_1')) {
        expect(update.type).toBe('job');
        break;
      }
    });
  });
  await closed;
});
