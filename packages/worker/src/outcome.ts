/** How an attempt at a stage can end early, and which errors are worth another try. */
import { type ProblemCode, ProblemError } from '@rela/contracts';

/** Why a running attempt was told to stop. It is the reason of the attempt's AbortSignal. */
export type StopReason =
  /** The user cancelled the job: what is half done is thrown away. */
  | 'cancelled'
  /** The attempt took longer than its job allows: save a checkpoint; it counts as a failure. */
  | 'timeout'
  /** Another worker has the stage now: nothing may be written any more. */
  | 'lost'
  /** The job is paused: save a checkpoint and hand the stage back. */
  | 'paused'
  /** This worker is shutting down: save a checkpoint and hand the stage back. */
  | 'shutdown';

/** The reason of an aborted attempt. */
export class StageStopped extends Error {
  override readonly name = 'StageStopped';
  readonly code = 'stage-stopped';
  constructor(readonly reason: StopReason) {
    super(`The attempt was stopped: ${reason}.`);
  }
}

/** Problems that another try cannot cure: they lie in what the user gave. */
const FINAL: ReadonlySet<ProblemCode> = new Set([
  'invalid-request',
  'invalid-model',
  'invalid-data',
  'not-found',
  'conflict',
]);

export function isRetryable(error: unknown): boolean {
  return !(error instanceof ProblemError && FINAL.has(error.code));
}

/** What the user reads in the job: the sentence alone, never a stack. */
export function describeFailure(error: unknown): string {
  if (error instanceof ProblemError) return error.detail;
  if (error instanceof Error) return `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}`;
  return String(error);
}
