/** Parts that outlived a supervisor that was killed: they stop by themselves, and are stopped where they do not. */
import { kill } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, type ProcessRecord } from './process-stamp.js';

const PAUSE_MS = 100;
/** Their supervisor is gone, so they are stopping; one that is not by now is told to. */
const TERM_MS = 2_000;
const KILL_MS = 35_000;

async function living(records: ProcessRecord[]): Promise<ProcessRecord[]> {
  const alive = await Promise.all(records.map(isAlive));
  return records.filter((_, index) => alive[index]);
}

function signal({ pid }: ProcessRecord, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    kill(pid, name);
  } catch (error) {
    // It went in between.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Resolves when none of the processes lives any more. */
export async function waitForLeftovers(
  records: ProcessRecord[],
  onNotice: (text: string) => void,
): Promise<void> {
  const began = performance.now();
  let step: 'waiting' | 'told' | 'killed' = 'waiting';
  let left = await living(records);
  if (left.length > 0)
    onNotice(`Waiting for parts of an earlier start to end: ${left.map(({ name }) => name).join(', ')}`);
  while (left.length > 0) {
    const waited = performance.now() - began;
    if (step === 'waiting' && waited > TERM_MS) {
      step = 'told';
      for (const record of left) signal(record, 'SIGTERM');
    }
    if (step === 'told' && waited > KILL_MS) {
      step = 'killed';
      for (const record of left) signal(record, 'SIGKILL');
    }
    await sleep(PAUSE_MS);
    left = await living(left);
  }
}
