/** What a tenant uses, and whether there is room for more. What is checked when something comes; what runs is limited where messages are sent: outbox.ts. */
import { hasEnded, JobStatus, ProblemError, type TenantLimits, type TenantUsage } from '@rela/contracts';
import type { Connection, Statements } from '../connection.js';
import { IS_RUNNING } from '../state/stage-state.js';
import { ownerOf, type TenantScope } from './scope.js';

const OPEN = JobStatus.options.filter((status) => !hasEnded(status));

const exceeded = (what: string, limit: number, advice: string) =>
  new ProblemError('quota-exceeded', `Your tenant ${what}; its limit is ${limit}. ${advice}`);

export function createQuotas({ direct }: Connection, tenant: TenantScope) {
  const tenantId = ownerOf(tenant);

  async function storageBytes(within: Statements): Promise<number> {
    const [row] = await within.$queryRaw<{ bytes: number }[]>`
      SELECT coalesce(sum(bytes), 0)::float8 AS bytes FROM tenant_storage WHERE tenant_id = ${tenantId}`;
    return row?.bytes ?? 0;
  }

  return {
    /**
     * In the transaction that accepts `count` jobs: others of the tenant wait for its end, so that two at once do not both take the last place.
     * @throws ProblemError `quota-exceeded`
     */
    async assertJobs({ queuedJobs }: TenantLimits, within: Statements, count = 1): Promise<void> {
      if (queuedJobs === undefined) return;
      await within.$queryRaw`SELECT 1 AS one FROM tenant WHERE id = ${tenantId} FOR NO KEY UPDATE`;
      const [row] = await within.$queryRaw<{ open: number }[]>`
        SELECT count(*)::int AS open FROM job WHERE tenant_id = ${tenantId} AND status = ANY(${OPEN})`;
      const open = row?.open ?? 0;
      if (open + count > queuedJobs)
        throw exceeded(
          `has ${open} jobs that have not ended`,
          queuedJobs,
          'Send this one again when one of them has, or cancel one.',
        );
    },

    /**
     * @param bytes what is about to be added, as far as that is known
     * @param within a transaction that is under way: one that waited for another connection might wait for itself
     * @throws ProblemError `quota-exceeded`
     */
    async assertStorage(
      { storageBytes: limit }: TenantLimits,
      bytes = 0,
      within: Statements = direct,
    ): Promise<void> {
      if (limit === undefined) return;
      const used = await storageBytes(within);
      if (used + bytes > limit || used >= limit)
        throw exceeded(
          `has ${used} bytes of data sets, uploads, models and features`,
          limit,
          'Ask those who run the service for more; what nobody uses any more is removed after a while.',
        );
    },

    async usage(): Promise<TenantUsage> {
      const [row] = await direct.$queryRaw<Omit<TenantUsage, 'storageBytes'>[]>`
        SELECT
          (SELECT count(*)::int FROM job WHERE tenant_id = ${tenantId} AND status = ANY(${OPEN})) AS "queuedJobs",
          (SELECT count(*)::int FROM stage
            WHERE ${IS_RUNNING} AND kind = 'train' AND tenant_id = ${tenantId}) AS "runningRuns",
          coalesce(sum(cpu_seconds), 0) AS "cpuSecondsToday", coalesce(sum(gpu_seconds), 0) AS "gpuSecondsToday"
        FROM tenant_usage
        WHERE tenant_id = ${tenantId} AND day = (clock_timestamp() AT TIME ZONE 'UTC')::date`;
      return { ...row!, storageBytes: await storageBytes(direct) };
    },
  };
}
