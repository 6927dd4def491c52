/** What went wrong, for a person or as a problem document, and the exit code that says so. */
import { type Problem, ProblemError } from '@rela/contracts';
import { RelaApiError, RelaConnectionError } from '@rela/sdk';
import { CommanderError } from 'commander';
import { SpecError } from '../spec/read-spec.js';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** 128 and the number of SIGINT, as shells have it. */
export const EXIT_INTERRUPTED = 130;

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'usage';
}

/** The command did what it was asked for, and the answer is bad, such as a job that failed. It has been shown. */
export class BadResult extends Error {
  override readonly name = 'BadResult';
  readonly code = 'bad-result';
}

/** Ctrl-C while following: the work goes on, the command does not. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly code = 'interrupted';
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof UsageError) return EXIT_USAGE;
  if (error instanceof Interrupted) return EXIT_INTERRUPTED;
  return EXIT_FAILED;
}

/** The error as RFC 9457 has it, also where it never reached the service. */
export function toProblem(error: unknown): Problem {
  if (error instanceof RelaApiError) return error.problem;
  if (error instanceof ProblemError) return error.toProblem();
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof RelaConnectionError) return new ProblemError('unavailable', text).toProblem();
  if (error instanceof SpecError) return new ProblemError('invalid-request', text, error.faults).toProblem();
  if (error instanceof UsageError || error instanceof CommanderError || isSystemError(error))
    return new ProblemError('invalid-request', text.replace(/^error: /, '')).toProblem();
  return new ProblemError('internal', text).toProblem();
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

/** The text that goes to stderr. */
export function describeFailure(error: unknown): string {
  if (error instanceof RelaApiError || error instanceof ProblemError) {
    const { title, detail, errors } = toProblem(error);
    if (!errors || errors.length === 0) return `${title}. ${detail}`;
    return [`${title}:`, ...errors.map(({ field, message }) => `  ${field}: ${message}`)].join('\n');
  }
  return error instanceof Error ? error.message : String(error);
}
