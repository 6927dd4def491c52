/** Jobs that wait for others go on when those have succeeded, and fail when those never will. All of it is in Postgres. */
import type { Database } from '@rela/database';
import type { Logger } from 'pino';
import type { Outages } from './outages.js';

export interface Release {
  database: Pick<Database, 'dependencies'>;
  outages: Outages;
  log: Pick<Logger, 'info'>;
  signal: AbortSignal;
}

/** Goes on until nothing more comes of it: a job that failed may have others that wait for it. @returns how many went on or failed */
export async function settleDependencies({ database, outages, log, signal }: Release): Promise<number> {
  let settled = 0;
  while (!signal.aborted) {
    const count = await outages.ask('database', () => database.dependencies.settle());
    if (count === 0) break;
    settled += count;
  }
  if (settled > 0) log.info({ jobs: settled }, 'the wait of jobs for others is over');
  return settled;
}
