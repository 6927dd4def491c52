/** Problems: every error that reaches a client, as RFC 9457 says, with a stable code. */
import { z } from 'zod';

export const ProblemCode = z.enum([
  'invalid-request',
  'unauthenticated',
  'forbidden',
  'not-found',
  'method-not-allowed',
  'conflict',
  'not-ready',
  'idempotency-mismatch',
  'idempotency-in-progress',
  'payload-too-large',
  'unsupported-media-type',
  'invalid-model',
  'invalid-data',
  'storage-full',
  'quota-exceeded',
  'rate-limited',
  'unavailable',
  'internal',
]);
export type ProblemCode = z.infer<typeof ProblemCode>;

export const Problem = z
  .object({
    type: z.string().describe('urn:rela:problem:<code>'),
    title: z.string(),
    status: z.int(),
    code: ProblemCode,
    detail: z.string().describe('what was wrong, where, and what to do'),
    instance: z.string().optional(),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .describe('one entry a field'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

const titles: Record<ProblemCode, { title: string; status: number }> = {
  'invalid-request': { title: 'The request is not valid', status: 400 },
  unauthenticated: { title: 'The request says not whose it is', status: 401 },
  forbidden: { title: 'The key does not allow this', status: 403 },
  'not-found': { title: 'There is no such thing', status: 404 },
  'method-not-allowed': { title: 'This method is not offered here', status: 405 },
  conflict: { title: 'The state does not allow this', status: 409 },
  'not-ready': { title: 'Something it needs is not ready', status: 409 },
  'idempotency-mismatch': { title: 'The Idempotency-Key was used for another request', status: 422 },
  'idempotency-in-progress': { title: 'A request with this Idempotency-Key is under way', status: 409 },
  'payload-too-large': { title: 'The body is too large', status: 413 },
  'unsupported-media-type': { title: 'The content type is not supported', status: 415 },
  'invalid-model': { title: 'The model cannot be used', status: 422 },
  'invalid-data': { title: 'The data cannot be used', status: 422 },
  'storage-full': { title: 'There is no room left in storage', status: 507 },
  'quota-exceeded': { title: 'A quota of the tenant is used up', status: 429 },
  'rate-limited': { title: 'Too many requests', status: 429 },
  unavailable: { title: 'A part of the service does not answer', status: 503 },
  internal: { title: 'The service failed', status: 500 },
};

/** An error meant for the user. Anything else that is thrown becomes `internal`, without its text. */
export class ProblemError extends Error {
  constructor(
    readonly code: ProblemCode,
    /** What was wrong, where, and what to do. */
    readonly detail: string,
    readonly errors?: { field: string; message: string }[],
    options?: ErrorOptions,
  ) {
    super(detail, options);
    this.name = 'ProblemError';
  }

  get status(): number {
    return titles[this.code].status;
  }

  toProblem(instance?: string): Problem {
    const { title, status } = titles[this.code];
    return {
      type: `urn:rela:problem:${this.code}`,
      title,
      status,
      code: this.code,
      detail: this.detail,
      ...(instance === undefined ? {} : { instance }),
      ...(this.errors === undefined ? {} : { errors: this.errors }),
    };
  }
}
