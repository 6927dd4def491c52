/** Every request has an id: in the log, in the answer's x-request-id, and in a problem's `instance`. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** What a caller may choose itself, so that its logs and ours can be put together. */
const ACCEPTED = /^[\w.-]{1,64}$/;

export function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && ACCEPTED.test(given) ? given : randomUUID();
}

export function requestUri(id: string): string {
  return `urn:rela:request:${id}`;
}
