/**
 * Which jobs a list shows. What has to hold of them may be rare or common, alone or together, of new jobs or of old ones, and
 * PostgreSQL knows too little of it to choose a way that reads few rows. So the ways are tried from the one that costs least:
 *
 *   one condition that an index has in order ─▶ its newest
 *   a name alone, of which there are few ─▶ the newest of each
 *   otherwise, some condition holds of few jobs ─▶ all of those
 *   otherwise ─▶ the newest of the sparsest condition, until the page is full or many were read ─▶ all that PostgreSQL finds without an order
 */
import type { JobStatus, Labels } from '@rela/contracts';
import type { Statements } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { BY_NAME, namesOf, newestOf, startsWith } from './job-names.js';
import { type Source, walk } from './job-walk.js';
import { assertCursor, type PageRequest } from './paging.js';
import { ownedSql, type TenantScope } from './scope.js';

/** Which jobs a list has: all that is given has to hold. */
export interface JobFilter {
  status?: JobStatus | undefined;
  /** The start of their name, in any case. */
  name?: string | undefined;
  labels?: Labels | undefined;
  /** Id of the schedule that made them. */
  schedule?: string | undefined;
}

/** Of so many names the newest of each are read. */
const FEW_NAMES = 50;

const and = (conditions: Prisma.Sql[]): Prisma.Sql =>
  conditions.length === 0 ? Prisma.sql`true` : Prisma.join(conditions, ' AND ');

/** @param tenant whose jobs; null: everybody's */
export function createJobSearch(tenant: TenantScope) {
  const own = ownedSql(tenant, 'job');
  function sourcesOf({ cursor, status, name, schedule, labels = {} }: PageRequest & JobFilter): Source[] {
    const behind = (id: Prisma.Sql) => (cursor === undefined ? [] : [Prisma.sql`${id} < ${cursor}`]);
    const jobs = (labelsOf: Prisma.Sql, ...conditions: Prisma.Sql[]) =>
      Prisma.sql`SELECT id, ${labelsOf} AS labels FROM job WHERE ${and([own, ...conditions, ...behind(Prisma.sql`id`)])}`;
    const unknown = Prisma.sql`NULL::jsonb`;
    const others = [schedule, name].filter((one) => one !== undefined).length;
    const labelled = Object.entries(labels).map(([key, value]) => {
      const ofTenant = tenant === null ? [] : [Prisma.sql`tenant_id = ${tenant}`];
      const one = [Prisma.sql`key = ${key}`, Prisma.sql`value = ${value}`];
      return Prisma.sql`
        SELECT job_id AS id, labels FROM job_label WHERE ${and([...ofTenant, ...one, ...behind(Prisma.sql`job_id`)])}`;
    });
    const sources = labelled.map((rows) => ({
      ...{ rows, ordered: true, covers: status === undefined && others === 0 },
    }));
    if (status !== undefined) {
      const rows = jobs(Prisma.sql`short_labels`, Prisma.sql`status = ${status}`);
      sources.push({ rows, ordered: true, covers: others === 0 });
    }
    if (schedule !== undefined) {
      const rows = jobs(unknown, Prisma.sql`schedule_id = ${schedule}`);
      sources.push({ rows, ordered: true, covers: false });
    }
    if (name !== undefined) {
      const rows = Prisma.sql`${jobs(unknown, startsWith(name))} ${BY_NAME}`;
      sources.push({ rows, ordered: false, covers: false });
    }
    // Something to walk through is always there.
    if (!sources.some(({ ordered }) => ordered))
      sources.push({ rows: jobs(unknown), ordered: true, covers: false });
    return sources;
  }

  return {
    /** The newest behind the cursor, one more than a page has. @throws ProblemError `invalid-request` for a cursor of another list */
    async newest({ $queryRaw }: Statements, page: PageRequest & JobFilter): Promise<string[]> {
      const { cursor, status, name, schedule, labels = {} } = page;
      assertCursor('job', cursor);
      const wanted = page.limit + 1;
      const sources = sourcesOf(page);
      const ids = async (query: Prisma.Sql) => (await $queryRaw<{ id: string }[]>(query)).map(({ id }) => id);
      const newestOfAll = (rows: Prisma.Sql) =>
        Prisma.sql`SELECT id FROM (${rows}) AS found ORDER BY id DESC LIMIT ${wanted}`;

      const isLabelled = Object.keys(labels).length > 0;
      const conditions = [status, name, schedule].filter((one) => one !== undefined).length;
      if (sources.length === 1) return ids(newestOfAll(sources[0]!.rows));
      const behind = cursor === undefined ? Prisma.sql`true` : Prisma.sql`id < ${cursor}`;
      if (name !== undefined && conditions === 1 && !isLabelled) {
        const named = await $queryRaw<{ name: string }[]>(namesOf(own, name, FEW_NAMES));
        const names = named.map((one) => one.name);
        if (names.length <= FEW_NAMES) return ids(newestOf(own, names, behind, wanted));
      }

      const holds = and([
        own,
        ...(status === undefined ? [] : [Prisma.sql`job.status = ${status}`]),
        ...(schedule === undefined ? [] : [Prisma.sql`job.schedule_id = ${schedule}`]),
        ...(name === undefined ? [] : [startsWith(name)]),
        ...(isLabelled ? [Prisma.sql`job.labels @> ${JSON.stringify(labels)}::jsonb`] : []),
      ]);
      const walked = await walk({ $queryRaw }, { sources, holds, labels, wanted });
      if (walked !== null) return walked;
      // OFFSET 0: what fits is found first, by whatever index, and sorted then; nothing is walked through by id.
      return ids(newestOfAll(Prisma.sql`SELECT id FROM job WHERE ${holds} AND ${behind} OFFSET 0`));
    },
  };
}
