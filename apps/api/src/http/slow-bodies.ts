/**
 * Cuts off who sends a body a byte at a time: each such request would hold a connection for as long as it likes. A body may keep the service
 * waiting for a while, and for longer the more of it has come; a slow line is no reason to be cut off.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { answerMalformedHttp } from './malformed.js';

export interface Patience {
  /** Time that a body may be waited for, whatever has come. */
  graceMs: number;
  /** Of what has come: so much buys a second more. */
  bytesPerSecond: number;
  /** How often is looked. */
  everyMs: number;
}

const PATIENCE: Patience = { graceMs: 20_000, bytesPerSecond: 1024, everyMs: 1000 };

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

export function cutOffSlowBodies(app: FastifyInstance, patience: Patience = PATIENCE): void {
  const { graceMs, bytesPerSecond, everyMs } = patience;
  app.addHook('onRequest', async ({ raw }) => {
    if (!hasBody(raw)) return;
    const { socket } = raw;
    const before = socket.bytesRead;
    let waited = 0;
    const timer = setInterval(() => {
      if (raw.complete || raw.destroyed) {
        clearInterval(timer);
        return;
      }
      // What lies here unread is waited for by nobody: then it is the service that is slow.
      if (raw.readableLength > 0) return;
      waited += everyMs;
      if (waited <= graceMs + (1000 * (socket.bytesRead - before)) / bytesPerSecond) return;
      clearInterval(timer);
      answerMalformedHttp(
        Object.assign(new Error('slow body'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }),
        socket,
      );
    }, everyMs);
    timer.unref();
    raw.once('close', () => clearInterval(timer));
  });
}
