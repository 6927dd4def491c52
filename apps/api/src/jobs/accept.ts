/** Writes a planned job down, where its tenant has room for one more. */
import type { Job, JobPlan, TenantLimits } from '@rela/contracts';
import type { TenantDatabase, Transaction } from '@rela/database';

/** @throws ProblemError `quota-exceeded` */
export async function acceptJob(
  { jobs, quotas, transaction }: Pick<TenantDatabase, 'jobs' | 'quotas' | 'transaction'>,
  limits: TenantLimits,
  plan: JobPlan,
  tx: Transaction | undefined,
): Promise<Job> {
  await quotas.assertStorage(limits, 0, tx);
  if (limits.queuedJobs === undefined) return jobs.create(plan, tx);
  const accept = async (within: Transaction) => {
    await quotas.assertJobs(limits, within);
    return jobs.create(plan, within);
  };
  return tx ? accept(tx) : transaction(accept);
}
