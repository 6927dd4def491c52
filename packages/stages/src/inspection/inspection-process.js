/**
 * Inspects one model and ends: see packages/process. JavaScript, not TypeScript, because a process starts from a file as it is, in
 * `src` under the tests as in `dist`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { ProblemError } from '@rela/contracts';
import { inspectPrior } from '@rela/prior';
import { answer } from '@rela/process';

/** @import { InspectionReply, InspectionWork } from './messages.js' */

/** @param {InspectionWork} work @returns {Promise<InspectionReply>} */
async function inspect({ model, target, options }) {
  try {
    const { model: rewritten, ...inspected } = await inspectPrior(await readFile(model), options);
    if (rewritten) await writeFile(target, rewritten);
    return { kind: 'inspected', inspected, isRewritten: rewritten !== null };
  } catch (error) {
    if (error instanceof ProblemError)
      return { kind: 'refused', reason: error.detail, errors: error.errors ?? null };
    throw error;
  }
}

answer(inspect);
