/**
 * The other side of limited-process.ts. JavaScript, not TypeScript, because a process starts from a file as it is, in `src` under the tests
 * as in `dist`.
 */

/** @import { Broken } from './limited-process.js' */

/**
 * Under its limit the allocator refuses a tensor before the process has to die.
 * @param {unknown} error @returns {boolean}
 */
export const isOutOfMemory = (error) =>
  error instanceof Error &&
  ((error instanceof RangeError && /allocation failed|array length/i.test(error.message)) ||
    isOutOfMemory(error.cause));

/** @param {unknown} error @returns {Broken} */
const broken = (error) =>
  isOutOfMemory(error)
    ? { kind: 'out-of-memory' }
    : { kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) };

/**
 * Answers the first message with what `work` makes of it, or how that broke, and ends the process.
 * @template Work
 * @param {(work: Work) => Promise<object>} work
 */
export function answer(work) {
  process.once('message', async (/** @type {Work} */ asked) => {
    const reply = await work(asked).catch(broken);
    process.send?.(reply, () => process.exit());
  });
}
