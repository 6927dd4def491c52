/** Reads JSON bodies: an empty one counts as none, a malformed one is answered with the place of the mistake. */
import { ProblemError } from '@rela/contracts';
import type { FastifyInstance } from 'fastify';
import { parse } from 'secure-json-parse';
import { mayHoldUnstorable, UNSTORABLE, unstorableIn } from './storable.js';

/** What V8 says about it, without the excerpt that it quotes from the body. */
function describe({ message }: Error): string {
  const token = /^Unexpected token '?([^']{1,2})'?/.exec(message)?.[1];
  const position = / at position (\d+)/.exec(message)?.[1];
  const where = position === undefined ? '' : ` at character ${position}`;
  if (token) return `there is a "${token}" in a place where JSON cannot have one${where}`;
  return message.includes('end of JSON') || message.startsWith('Unterminated')
    ? 'it ends too early'
    : `it breaks the rules of JSON${where}`;
}

/** @param what is read, for the error @throws ProblemError `invalid-request` with the place of the mistake */
export function parseJson(text: string, what: string): unknown {
  const value = parsed(text, what);
  const field = mayHoldUnstorable(text) ? unstorableIn(value) : null;
  if (field !== null)
    throw new ProblemError('invalid-request', `${what} ${UNSTORABLE}. Leave it out.`, [
      { field, message: UNSTORABLE },
    ]);
  return value;
}

function parsed(text: string, what: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ProblemError('invalid-request', `${what} is not JSON: ${describe(error)}.`, undefined, {
      cause: error,
    });
  }
}

export function readJsonBodies(app: FastifyInstance): void {
  app.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    async (_request: unknown, body: string) => (body.trim() === '' ? undefined : parseJson(body, 'The body')),
  );
}
