/** Attempts against servers of this process: what is sent, what counts as success, and what is not reached. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type SendOptions, sendDelivery } from './send.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function receiver(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?one=1`;
}

const send = (url: string, more: Partial<SendOptions> = {}) =>
  sendDelivery(
    {
      ...{ id: 'msg_1', webhookId: 'wh_1', type: 'job.failed', attempt: 1, failures: 0, url },
      ...{ body: '{"text":"ü"}', secrets: [`whsec_${Buffer.alloc(32).toString('base64')}`] },
    },
    { timeoutSeconds: 10, allowPrivateAddresses: true, signal: new AbortController().signal, ...more },
  );

it('posts the body as JSON to the whole address', async () => {
  let seen = '';
  const url = await receiver(async (request, response) => {
    const { 'content-type': type, 'content-length': length, 'webhook-id': id } = request.headers;
    seen = `${request.method} ${request.url} ${type} ${length} ${id}`;
    response.end('thanks');
  });
  expect(await send(url)).toMatchObject({ status: 200, error: null, answer: 'thanks', wishedSeconds: null });
  expect(seen).toBe('POST /hook?one=1 application/json 13 msg_1');
});

it('takes any answer of success, and no other', async () => {
  for (const [status, error] of [
    [204, null],
    [400, 'It answered 400.'],
    [503, 'It answered 503.'],
    [
      302,
      'It answered 302, a redirect, which is not followed. Give the webhook the address that it leads to.',
    ],
  ] as const) {
    const url = await receiver((_request, response) => {
      response.writeHead(status, { 'retry-after': '120', location: 'http://127.0.0.1:1/' }).end();
    });
    expect(await send(url)).toMatchObject({ status, error, wishedSeconds: 120 });
  }
});

it('keeps the start of an answer, however long it is, and never more', async () => {
  const url = await receiver((_request, response) => {
    const more = () => {
      while (response.write('a\0'.repeat(5000)));
    };
    response.on('drain', more);
    more();
  });
  const { status, answer } = await send(url);
  expect([status, answer]).toEqual([200, 'a\ufffd'.repeat(512)]);
});

it('waits for a status as long as it may, and not for the end of a body', async () => {
  const silent = await receiver(() => undefined);
  expect(await send(silent, { timeoutSeconds: 0.05 })).toMatchObject({
    ...{ status: null, error: 'No answer came within 0.05 s.', answer: null },
  });
  const endless = await receiver((_request, response) => void response.write('begun'));
  expect(await send(endless, { timeoutSeconds: 0.2 })).toMatchObject({
    status: 200,
    error: null,
    answer: 'begun',
  });
});

it('ends when it is told to', async () => {
  const stop = new AbortController();
  const url = await receiver(() => stop.abort());
  expect(await send(url, { signal: stop.signal })).toMatchObject({
    status: null,
    error: expect.stringContaining('was stopped'),
  });
});

it('says why nobody was reached', async () => {
  expect((await send('http://127.0.0.1:1/')).error).toMatch(/^It could not be reached: .*ECONNREFUSED/);
  const hangsUp = await receiver((request) => request.socket.destroy());
  expect((await send(hangsUp)).error).toBe('It could not be reached: socket hang up.');
});

it('reaches no private address, by number or by name, unless that is allowed', async () => {
  let reached = 0;
  const url = await receiver((_request, response) => {
    reached += 1;
    response.end();
  });
  for (const address of [
    url,
    url.replace('127.0.0.1', 'localhost'),
    url.replace('127.0.0.1', '[::ffff:127.0.0.1]'),
  ])
    expect(await send(address, { allowPrivateAddresses: false }), address).toMatchObject({
      ...{
        status: null,
        error: expect.stringMatching(/is an address of a private network, which webhooks may not/),
      },
    });
  expect(reached).toBe(0);
  expect((await send(url)).status).toBe(200);
  expect(reached).toBe(1);
});
