/** Readiness: asks each part that the API needs, and names those that do not answer. */
import { ProblemError } from '@rela/contracts';
import { checkQueue } from '@rela/queue';
import type { ApiDependencies } from '../dependencies.js';

/** Longer than the queue's own, whose reason is told. */
const TIMEOUT = 4000;

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('it did not answer in time')), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws ProblemError `unavailable` with one entry a part that does not answer; reasons go to `report` only */
export async function checkReadiness(
  { database, store, config }: ApiDependencies,
  report: (part: string, error: unknown) => void,
): Promise<void> {
  const checks: Record<string, () => Promise<unknown>> = {
    database: () => database.ping(),
    storage: () => store.check(),
  };
  const { queueUrl, databaseUrl } = config;
  if (queueUrl !== null && queueUrl !== databaseUrl) checks.queue = () => checkQueue(queueUrl);
  const missing: string[] = [];
  await Promise.all(
    Object.entries(checks).map(async ([part, check]) => {
      try {
        await within(TIMEOUT, check());
      } catch (error) {
        report(part, error);
        missing.push(part);
      }
    }),
  );
  if (missing.length === 0) return;
  missing.sort();
  throw new ProblemError(
    'unavailable',
    `Not ready: the ${missing.join(' and the ')} ${missing.length === 1 ? 'does' : 'do'} not answer. The log of the API says why.`,
    missing.map((part) => ({ field: part, message: 'does not answer' })),
  );
}
