/** /v1/jobs/batch: many jobs in one request, a JSON document a line, and an answer a line. */
import { Readable } from 'node:stream';
import { type BatchAnswer, LARGEST_BATCH, ProblemError, type TenantLimits } from '@rela/contracts';
import { planRequest, readJob } from '@rela/stages';
import type { FastifyBaseLogger } from 'fastify';
import { z } from 'zod';
import type { TenantDependencies } from '../dependencies.js';
import { answerOnce, IdempotencyHeaders } from '../http/idempotency.js';
import { parseJson } from '../http/json-body.js';
import { problemFor } from '../http/problems.js';
import { problems, Streamed } from '../http/responses.js';
import { acceptJob } from '../jobs/accept.js';
import type { RouteContext, Routes } from './route.js';

const JSON_LINES = 'application/x-ndjson';
const LARGEST_BODY = 32 * 1024 ** 2;
/** Jobs that are written down side by side. */
const AT_ONCE = 4;
const ROUTE = 'POST /v1/jobs/batch';

interface Line {
  line: number;
  text: string;
}

/** @throws ProblemError `payload-too-large` */
function linesOf(body: string): Line[] {
  const lines = body
    .split('\n')
    .map((text, index) => ({ line: index + 1, text: text.trim() }))
    .filter(({ text }) => text !== '');
  if (lines.length === 0)
    throw new ProblemError('invalid-request', 'The body is empty: send one job a line, each a JSON object.');
  if (lines.length > LARGEST_BATCH)
    throw new ProblemError(
      'payload-too-large',
      `The body has ${lines.length} jobs; a batch may have ${LARGEST_BATCH}. Send the rest in another one.`,
    );
  return lines;
}

interface Batch {
  context: RouteContext & TenantDependencies;
  /** Of the tenant. */
  limits: TenantLimits;
  key: string | undefined;
  log: FastifyBaseLogger;
}

/** Never throws: what goes wrong with one job is its own answer. */
async function submit({ line, text }: Line, batch: Batch): Promise<BatchAnswer> {
  const { context, limits, key, log } = batch;
  const { database } = context;
  try {
    const job = readJob(parseJson(text, 'The line'));
    const wish = { key: key && `${key}:${line}`, route: ROUTE, content: job.request, log };
    const { status, body } = await answerOnce(database, wish, async () => {
      const plan = await planRequest(context, job);
      return async (tx) => ({ status: 202, body: await acceptJob(database, limits, plan, tx) });
    });
    return { line, status, job: body };
  } catch (error) {
    const problem = problemFor(error);
    if (problem.status >= 500) log.error({ err: error, line }, 'a job of a batch failed');
    return { line, status: problem.status, problem: problem.toProblem() };
  }
}

/** Answers in the order of the lines, each as soon as it and those before it are there. */
async function* answers(lines: Line[], batch: Batch): AsyncGenerator<string> {
  const underWay: Promise<BatchAnswer>[] = [];
  let next = 0;
  while (next < lines.length || underWay.length > 0) {
    while (next < lines.length && underWay.length < AT_ONCE) underWay.push(submit(lines[next++]!, batch));
    yield `${JSON.stringify(await underWay.shift())}\n`;
  }
}

export const batchRoutes: Routes = async (app, context) => {
  app.addContentTypeParser(
    [JSON_LINES, 'application/jsonl'],
    { parseAs: 'string', bodyLimit: LARGEST_BODY },
    async (_request: unknown, body: string) => body,
  );
  app.route({
    method: 'POST',
    url: '/v1/jobs/batch',
    bodyLimit: LARGEST_BODY,
    schema: {
      tags: ['jobs'],
      operationId: 'createJobs',
      summary: 'Submit many jobs',
      description: `One JobCreate a line, ${LARGEST_BATCH} at most. Each is accepted or refused on its own: the answer has a line for each, in their order, with the Job or a Problem. Sent again under the same Idempotency-Key, no line makes a second job.`,
      consumes: [JSON_LINES],
      headers: IdempotencyHeaders,
      body: z.string().max(LARGEST_BODY),
      response: {
        200: { description: 'A BatchAnswer a line', content: { [JSON_LINES]: { schema: Streamed } } },
        ...problems,
      },
    },
    handler: async (request, reply) => {
      const lines = linesOf(request.body);
      const { log } = request;
      const key = request.headers['idempotency-key'];
      const { limits } = request.identity;
      const batch = { context: { ...context, database: request.database }, limits, key, log };
      return reply.type(`${JSON_LINES}; charset=utf-8`).send(Readable.from(answers(lines, batch)));
    },
  });
};
