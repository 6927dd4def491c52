/**
 * Which jobs a list shows. What has to hold of them may be rare or common, alone or together, of new jobs or of old ones, and
 * PostgreSQL knows too little of it to choose a way that reads few rows. So the ways are tried from the one that costs least:
 *
 *   one condition that an index has in order ─▶ its newest
 *   otherwise, some condition holds of few jobs ─▶ all of those
 *   otherwise ─▶ the newest of a condition, until the page is full or many were read ─▶ all that PostgreSQL finds without an order
 */
import type { JobStatus, Labels } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
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

/** So many jobs are read and sorted in a few milliseconds. */
const FEW = 1000;
/** Where fewer than one in fifty fit, the ordered list is left: those that do are few then, unless all of them are old. */
const LOOKED_THROUGH = 50;
const MANY = 5000;

const NEWEST = Prisma.sql`ORDER BY id DESC`;

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
const and = (conditions: Prisma.Sql[]): Prisma.Sql =>
  conditions.length === 0 ? Prisma.sql`true` : Prisma.join(conditions, ' AND ');

/** Rows of one column, `id`, behind the cursor; without an order, but an index has them by id where `ordered`. */
interface Source {
  rows: Prisma.Sql;
  ordered: boolean;
}

/** @param tenant whose jobs; null: everybody's */
export function createJobSearch(tenant: TenantScope) {
  const own = ownedSql(tenant, 'job');
  function sourcesOf({ cursor, status, name, schedule, labels = {} }: PageRequest & JobFilter): Source[] {
    const behind = (id: Prisma.Sql) => (cursor === undefined ? [] : [Prisma.sql`${id} < ${cursor}`]);
    const jobs = (condition: Prisma.Sql) =>
      Prisma.sql`SELECT id FROM job WHERE ${and([own, condition, ...behind(Prisma.sql`id`)])}`;
    const labelled = Object.entries(labels).map(([key, value]) => {
      const ofTenant = tenant === null ? [] : [Prisma.sql`tenant_id = ${tenant}`];
      const one = [Prisma.sql`key = ${key}`, Prisma.sql`value = ${value}`];
      return Prisma.sql`
        SELECT job_id AS id FROM job_label WHERE ${and([...ofTenant, ...one, ...behind(Prisma.sql`job_id`)])}`;
    });
    return [
      ...labelled.map((rows) => ({ rows, ordered: true })),
      ...(status === undefined ? [] : [{ rows: jobs(Prisma.sql`status = ${status}`), ordered: true }]),
      ...(schedule === undefined
        ? []
        : [{ rows: jobs(Prisma.sql`schedule_id = ${schedule}`), ordered: true }]),
      ...(name === undefined
        ? []
        : [{ rows: Prisma.sql`${jobs(startsWith(name))} ${BY_NAME}`, ordered: false }]),
    ];
  }

  return {
    /** The newest behind the cursor, one more than a page has. @throws ProblemError `invalid-request` for a cursor of another list */
    async newest(prisma: Pick<Transaction, '$queryRaw'>, page: PageRequest & JobFilter): Promise<string[]> {
      const { cursor, status, name, schedule, labels = {} } = page;
      assertCursor('job', cursor);
      const wanted = page.limit + 1;
      const sources = sourcesOf(page);
      const everything = Prisma.sql`SELECT id FROM job WHERE ${own} AND ${cursor === undefined ? Prisma.sql`true` : Prisma.sql`id < ${cursor}`}`;
      const ids = async (query: Prisma.Sql) =>
        (await prisma.$queryRaw<{ id: string }[]>(query)).map(({ id }) => id);

      const [only = { rows: everything, ordered: true }] = sources;
      if (sources.length <= 1 && only.ordered) return ids(Prisma.sql`${only.rows} ${NEWEST} LIMIT ${wanted}`);

      const holds = and([
        own,
        ...(status === undefined ? [] : [Prisma.sql`job.status = ${status}`]),
        ...(schedule === undefined ? [] : [Prisma.sql`job.schedule_id = ${schedule}`]),
        ...(name === undefined ? [] : [startsWith(name)]),
        ...(Object.keys(labels).length === 0
          ? []
          : [Prisma.sql`job.labels @> ${JSON.stringify(labels)}::jsonb`]),
      ]);
      // OFFSET 0: each is looked up by its id, in the order in which they come, whatever the planner expects.
      const fitting = (some: Prisma.Sql) => Prisma.sql`
        SELECT candidate.id FROM (${some}) AS candidate,
          LATERAL (SELECT * FROM job WHERE job.id = candidate.id OFFSET 0) AS job
        WHERE ${holds} ORDER BY candidate.id DESC LIMIT ${wanted}`;

      const counts = sources.map(
        ({ rows }) => Prisma.sql`(SELECT count(*) FROM (${rows} LIMIT ${FEW + 1}) AS candidate)::int`,
      );
      const [row] = await prisma.$queryRaw<{ counts: number[] }[]>`
        SELECT ARRAY[${Prisma.join(counts)}] AS counts`;
      const fewest = Math.min(...row!.counts);
      if (fewest <= FEW) {
        const { rows, ordered } = sources[row!.counts.indexOf(fewest)]!;
        // In order where an index has it: then the rest is not looked at once the page is full.
        return ids(fitting(Prisma.sql`${rows} ${ordered ? NEWEST : Prisma.empty} LIMIT ${FEW}`));
      }

      const many = Math.min(MANY, LOOKED_THROUGH * wanted);
      const walked = sources.find(({ ordered }) => ordered)?.rows ?? everything;
      const found = await ids(fitting(Prisma.sql`${walked} ${NEWEST} LIMIT ${many}`));
      if (found.length === wanted) return found;
      return ids(Prisma.sql`
        WITH found AS MATERIALIZED (SELECT id FROM job WHERE ${and([
          holds,
          ...(cursor === undefined ? [] : [Prisma.sql`id < ${cursor}`]),
        ])})
        SELECT id FROM found ORDER BY id DESC LIMIT ${wanted}`);
    },
  };
}

/** The order of the index, so that it is used also where a name is so common that reading the table from its start seems as good. */
const BY_NAME = Prisma.sql`ORDER BY lower(job.name) USING ~<~, id DESC`;

const startsWith = (name: string): Prisma.Sql =>
  Prisma.sql`lower(job.name) LIKE ${`${escapeLike(name.toLowerCase())}%`}`;
