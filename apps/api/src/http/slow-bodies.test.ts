/** Bodies that come a byte at a time, against a server with little patience. */
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cutOffSlowBodies } from './slow-bodies.js';

const LENGTH = 100;

let app: FastifyInstance;
beforeEach(async () => {
  app = Fastify();
  cutOffSlowBodies(app, { graceMs: 300, bytesPerSecond: 200, everyMs: 20 });
  app.post('/whole', async ({ body }) => ({ read: JSON.stringify(body).length }));
  app.register(async (late) => {
    late.addHook('preParsing', async (_request, _reply, payload) => {
      await sleep(1000);
      return payload;
    });
    late.post('/late', async ({ body }) => ({ read: JSON.stringify(body).length }));
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(() => app.close());

/** A JSON string of 100 bytes, in pieces. @returns all that the server said before it closed */
async function send(path: string, { bytes, pauseMs }: { bytes: number; pauseMs: number }): Promise<string> {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const answer = text(socket);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${LENGTH}\r\n\r\n`,
  );
  const body = JSON.stringify('a'.repeat(LENGTH - 2));
  for (let at = 0; at < LENGTH && socket.writable; at += bytes) {
    socket.write(body.slice(at, at + bytes));
    await sleep(pauseMs);
  }
  return answer;
}

it('are answered with 408 and cut off', async () => {
  const answer = await send('/whole', { bytes: 1, pauseMs: 50 });
  expect(answer).toMatch(/^HTTP\/1.1 408 /);
  expect(answer).toContain('"code":"invalid-request"');
});

it('are read where they keep up', async () => {
  expect(await send('/whole', { bytes: 50, pauseMs: 20 })).toContain(`{"read":${LENGTH}}`);
});

it('are not held against who sent them where it is the service that reads late', async () => {
  expect(await send('/late', { bytes: LENGTH, pauseMs: 0 })).toContain(`{"read":${LENGTH}}`);
});
