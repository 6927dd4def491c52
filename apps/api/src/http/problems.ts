/** Turns everything that goes wrong into one kind of answer: an RFC 9457 problem. Nothing else writes an error. */
import { nearest, type ProblemCode, ProblemError } from '@rela/contracts';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { requestUri } from './request-id.js';
import type { RouteTable } from './route-table.js';

export const PROBLEM_TYPE = 'application/problem+json';

/** Seconds after which asking again is worth it. */
const RETRY_AFTER: Partial<Record<ProblemCode, number>> = { unavailable: 2, 'idempotency-in-progress': 1 };

/** Fastify's own refusals, in our words. */
const frameworkProblems: Record<string, (error: FastifyError) => ProblemError> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new ProblemError(
      'unsupported-media-type',
      'The body has a content type that is not read here. Send JSON with content-type application/json.',
    ),
  FST_ERR_CTP_BODY_TOO_LARGE: () =>
    new ProblemError(
      'payload-too-large',
      'The body is larger than this route reads. Models are uploaded to /v1/artifacts and named by digest.',
    ),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new ProblemError(
      'invalid-request',
      'The body does not have the length that its content-length header says.',
    ),
  FST_ERR_BAD_URL: () =>
    new ProblemError('invalid-request', 'The path is not a valid URL path: check its % escapes.'),
};

function stringProperty(error: object, name: string): string | undefined {
  const value = (error as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : undefined;
}

/** The problem to show for `error`. Whatever is not meant for users becomes `internal`, without its text. */
export function problemFor(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof Error) {
    const code = stringProperty(error, 'code') ?? '';
    const known = frameworkProblems[code];
    if (known) return known(error as FastifyError);
    if (code === 'unavailable')
      return new ProblemError(
        'unavailable',
        'The database does not answer at the moment. Nothing was changed; send the request again shortly.',
      );
    if (code.startsWith('FST_') && 'statusCode' in error && Number(error.statusCode) < 500)
      return new ProblemError('invalid-request', `The request could not be read: ${error.message}.`);
  }
  return new ProblemError(
    'internal',
    'Something failed inside the service. Its log has the details under the request id in `instance`.',
  );
}

export function sendProblem(
  reply: FastifyReply,
  request: FastifyRequest,
  problem: ProblemError,
): FastifyReply {
  const retryAfter = RETRY_AFTER[problem.code];
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  // A string, so that no response schema stands between the problem and the client.
  return reply
    .code(problem.status)
    .header('x-request-id', request.id)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problem.toProblem(requestUri(request.id))));
}

export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemFor(error);
  if (problem.status >= 500) request.log.error({ err: error }, 'request failed');
  else request.log.info({ code: problem.code, detail: problem.detail }, 'request refused');
  sendProblem(reply, request, problem);
}

/** 404 for a path that does not exist, 405 with Allow for one that does. */
export function answerUnknownRoutes(app: FastifyInstance, routes: RouteTable): void {
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '/';
    const methods = routes.methodsAt(path);
    if (methods.length > 0) {
      const allowed = methods.join(', ');
      reply.header('allow', allowed);
      return sendProblem(
        reply,
        request,
        new ProblemError(
          'method-not-allowed',
          `${path} does not offer ${request.method}; it offers ${allowed}.`,
        ),
      );
    }
    const meant = nearest(path, routes.paths());
    return sendProblem(
      reply,
      request,
      new ProblemError(
        'not-found',
        `There is no route ${path}${meant ? `; did you mean ${meant}?` : '.'} /openapi.json lists them all.`,
      ),
    );
  });
}
