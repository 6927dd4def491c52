/** Events of jobs: read in order, and waited for. They are appended by state/ alone. */
import type { JobEvent } from '@rela/contracts';
import type { Connection, Statements } from '../connection.js';
import { EVENT_CHANNEL } from '../state/events.js';
import { together } from '../together.js';
import type { Listener, ListenHandle } from './listener.js';
import { ownedSql, type TenantScope } from './scope.js';

interface Wish {
  jobId: string;
  afterSequence: number;
  limit: number;
}

interface EventRow {
  place: number;
  sequence: number;
  type: string;
  payload: object;
  at: Date;
}

/** Readers that are served in one go. Those who ask for the same get the same. */
const AT_ONCE = 1000;
const LOOKS = 2;

const nameOf = ({ jobId, afterSequence, limit }: Wish) => `${jobId} ${afterSequence} ${limit}`;

async function listAll(direct: Statements, wishes: Wish[], tenant: TenantScope): Promise<JobEvent[][]> {
  const different = [...new Map(wishes.map((wish) => [nameOf(wish), wish])).values()];
  const rows = await direct.$queryRaw<EventRow[]>`
    SELECT wish.place::int AS place, event.* FROM jsonb_to_recordset(${JSON.stringify(
      different.map((wish, place) => ({ ...wish, place })),
    )}::jsonb) AS wish (place int, "jobId" text, "afterSequence" int, "limit" int)
    JOIN job ON job.id = wish."jobId" AND ${ownedSql(tenant, 'job')}
    CROSS JOIN LATERAL (
      SELECT sequence, type, payload, at FROM job_event
      WHERE job_id = wish."jobId" AND sequence > wish."afterSequence" ORDER BY sequence LIMIT wish."limit"
    ) AS event`;
  const lists = different.map((): JobEvent[] => []);
  for (const { place, sequence, type, payload, at } of rows) {
    const { jobId } = different[place]!;
    lists[place]!.push({ ...payload, type, jobId, sequence, at: at.toISOString() } as JobEvent);
  }
  for (const list of lists) list.sort((one, other) => one.sequence - other.sequence);
  const byName = new Map(different.map((wish, place) => [nameOf(wish), lists[place]!]));
  return wishes.map((wish) => byName.get(nameOf(wish))!);
}

export function createEvents(
  { direct }: Pick<Connection, 'direct'>,
  listener: Listener,
  tenant: TenantScope,
) {
  const list = together((wishes: Wish[]) => listAll(direct, wishes, tenant), { most: AT_ONCE, side: LOOKS });

  return {
    /** Events of the job from the first behind `afterSequence`, in order and without gaps. Not to be changed: others may have the same list. */
    list: (jobId: string, afterSequence: number, limit: number): Promise<readonly JobEvent[]> =>
      list({ jobId, afterSequence, limit }),

    /**
     * Calls back with the id of a job that has new events; with null after the connection was lost and found again,
     * when any job may have some. @throws DatabaseUnavailable where the first connection fails
     */
    listen: (onNotify: (jobId: string | null) => void): Promise<ListenHandle> =>
      listener.listen(EVENT_CHANNEL, onNotify),
  };
}
