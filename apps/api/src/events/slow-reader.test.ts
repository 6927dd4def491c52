/** One who does not read the events of a job slows nobody, costs a page of them, and misses none. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { DEFAULT_TENANT } from '@rela/contracts';
import { RelaClient } from '@rela/sdk';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { buildApp } from '../app.js';
import { startService, type TestService } from '../testing/service.js';
import { addReadyDataset, smallJob } from '../testing/work.js';

const READERS = 20;
const PAGE = 100;
const PAGES = 8;
/** Together more than the kernel keeps of a connection that nobody reads: some mebibytes. */
const EVENT_BYTES = 10_000;

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addReadyDataset(service, 'digits');
});
afterAll(() => service.close());

/** The API again, with a count of how often a page behind each sequence was read from the database. */
async function countingApi() {
  const { database, config, store } = service;
  const pages = new Map<number, number>();
  const own = database.of(DEFAULT_TENANT.id);
  const list: typeof own.events.list = async (jobId, after, limit) => {
    const events = await own.events.list(jobId, after, limit);
    // Not of a read that failed: it is made again.
    pages.set(after, (pages.get(after) ?? 0) + 1);
    return events;
  };
  const app = await buildApp({
    config,
    store,
    database: { ...database, of: () => ({ ...own, events: { list } }) },
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, url, pages };
}

/** Of all events, to the end of the stream. */
async function sequencesOf(url: string): Promise<number[]> {
  const sequences: number[] = [];
  const { body } = await fetch(url);
  for await (const line of createInterface({ input: Readable.fromWeb(body as NodeReadableStream) }))
    if (line.startsWith('id: ')) sequences.push(Number(line.slice('id: '.length)));
  return sequences;
}

/** Large events of the job, all at once. @returns the sequence before the first */
async function addEvents(jobId: string, count: number): Promise<number> {
  return service.database.transaction(async (tx) => {
    const [row] = await tx.$queryRaw<{ last: number }[]>`
      UPDATE job SET event_sequence = event_sequence + ${count} WHERE id = ${jobId}
      RETURNING event_sequence - ${count} AS last`;
    const { last } = row!;
    await tx.$executeRaw`
      INSERT INTO job_event (job_id, sequence, type, payload)
      SELECT ${jobId}, ${last} + number, 'warning', jsonb_build_object('stageId', 'stg_1', 'text', repeat('x', ${EVENT_BYTES}))
      FROM generate_series(1, ${count}) AS number`;
    await tx.$queryRaw`SELECT pg_notify('rela_event', ${jobId})::text AS notified`;
    return last;
  });
}

it('lets twenty follow a job to its end beside one who reads nothing, and that one have all of it afterwards', async () => {
  const { app, url, pages } = await countingApi();
  const client = new RelaClient({ baseUrl: url });
  const { id } = await client.jobs.create(smallJob('digits'));
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.pause();
    socket.write(`GET /v1/jobs/${id}/events HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`);
    const following = Array.from({ length: READERS }, () => sequencesOf(`${url}/v1/jobs/${id}/events`));
    await vi.waitFor(() => expect(pages.get(0)).toBe(READERS + 1), { timeout: 20_000 });
    const before = await addEvents(id, PAGE * PAGES);
    await client.jobs.cancel(id);

    const seen = await Promise.all(following);
    const all = Array.from({ length: seen[0]!.length }, (_value, index) => index + 1);
    expect(all.length).toBeGreaterThan(PAGE * PAGES);
    for (const one of seen) expect(one).toEqual(all);
    // What it does not take is not read for it: the first pages were, the last was not.
    const lastPage = before + PAGE * (PAGES - 1);
    expect(pages.get(before)).toBeGreaterThan(READERS);
    expect(pages.get(lastPage)).toBe(READERS);

    const late = await text(socket);
    expect([...late.matchAll(/^id: (\d+)$/gm)].map(([, sequence]) => Number(sequence))).toEqual(all);
    expect(pages.get(lastPage)).toBe(READERS + 1);
  } finally {
    socket.destroy();
    await app.close();
  }
}, 180_000);
