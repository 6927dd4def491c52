/** Events of jobs: read in order, and waited for. They are appended by state/ alone. */
import type { JobEvent } from '@rela/contracts';
import type { Connection } from '../connection.js';
import { EVENT_CHANNEL } from '../state/events.js';
import type { Listener, ListenHandle } from './listener.js';
import { ofOwnJob, type TenantScope } from './scope.js';

export function createEvents({ prisma }: Connection, listener: Listener, tenant: TenantScope) {
  return {
    /** Events of the job from the first behind `afterSequence`, in order and without gaps. */
    async list(jobId: string, afterSequence: number, limit: number): Promise<JobEvent[]> {
      const rows = await prisma.jobEvent.findMany({
        where: { jobId, sequence: { gt: afterSequence }, ...ofOwnJob(tenant) },
        orderBy: { sequence: 'asc' },
        take: limit,
      });
      return rows.map(
        ({ sequence, type, payload, at }) =>
          ({ ...(payload as object), type, jobId, sequence, at: at.toISOString() }) as JobEvent,
      );
    },

    /**
     * Calls back with the id of a job that has new events; with null after the connection was lost and found again,
     * when any job may have some. @throws DatabaseUnavailable where the first connection fails
     */
    listen: (onNotify: (jobId: string | null) => void): Promise<ListenHandle> =>
      listener.listen(EVENT_CHANNEL, onNotify),
  };
}
