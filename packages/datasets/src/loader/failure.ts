/** Errors on their way between threads: a structured clone would lose their class. */
import { ProblemError } from '@rela/contracts';
import type { Failure } from './messages.js';

export function toFailure(error: unknown): Failure {
  if (error instanceof ProblemError) return { code: error.code, message: error.detail };
  return { code: null, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

export function fromFailure({ code, message }: Failure): Error {
  return code === null ? new Error(message) : new ProblemError(code, message);
}
