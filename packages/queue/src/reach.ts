/** Calls of the sending side: one that fails, or takes too long, becomes a problem that says where. */
import { ProblemError } from '@rela/contracts';
import { endsWithin } from './closing.js';
import { reasonOf, redacted } from './url.js';

/** A call that takes longer fails: a client of a cluster that is away holds its commands back without end. */
const TIMEOUT_MS = 10_000;

/** @throws ProblemError `unavailable` where the server at `url` does not do its part */
export async function reach<T>(url: string, work: () => Promise<T>): Promise<T> {
  try {
    const answer = work();
    if (!(await endsWithin(TIMEOUT_MS, answer))) throw new Error(`no answer in ${TIMEOUT_MS / 1000} seconds`);
    return await answer;
  } catch (error) {
    throw new ProblemError(
      'unavailable',
      `The queue at ${redacted(url)} did not do its part: ${reasonOf(error)}. What was to be sent can be sent again.`,
      undefined,
      { cause: error },
    );
  }
}
