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

/** So many jobs are read and sorted in a millisecond or two. */
const FEW = 300;
/**
 * The newest of the sparsest condition are looked through: first as many as were counted, then, where the page may become full, so many for
 * each job of the page, and so many at least. What the index says of a job takes a fifth of the time that its row takes.
 */
const LOOKS = { byRow: { each: 50, least: 1000 }, byIndex: { each: 250, least: 5000 } };
const MANY = 5000;
/** Of so many names the newest of each are read. */
const FEW_NAMES = 50;

const NEWEST = Prisma.sql`ORDER BY id DESC`;

const and = (conditions: Prisma.Sql[]): Prisma.Sql =>
  conditions.length === 0 ? Prisma.sql`true` : Prisma.join(conditions, ' AND ');

/** Jobs of which one condition holds. */
interface Source {
  /** Of `id`, behind the cursor, and `labels`: all of the job's, or null where the index that is read does not have them. */
  rows: Prisma.Sql;
  /** An index has the rows by id; they come without an order. */
  ordered: boolean;
  /** What else has to hold is said by `labels`, where they are there. */
  covers: boolean;
}

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

      const asked = Prisma.sql`${JSON.stringify(labels)}::jsonb`;
      const holds = and([
        own,
        ...(status === undefined ? [] : [Prisma.sql`job.status = ${status}`]),
        ...(schedule === undefined ? [] : [Prisma.sql`job.schedule_id = ${schedule}`]),
        ...(name === undefined ? [] : [startsWith(name)]),
        ...(isLabelled ? [Prisma.sql`job.labels @> ${asked}`] : []),
      ]);
      // A sub-query: each that may fit is looked up by its id, in the order in which they come, whatever the planner expects.
      const fitting = (some: Prisma.Sql, most = wanted) => Prisma.sql`
        SELECT candidate.id FROM (${some}) AS candidate
        WHERE ${isLabelled ? Prisma.sql`(candidate.labels IS NULL OR candidate.labels @> ${asked})` : Prisma.sql`true`}
          AND (SELECT ${holds} FROM job WHERE job.id = candidate.id)
        ORDER BY candidate.id DESC LIMIT ${most}`;

      const counts = sources.map(
        ({ rows, ordered }, source) => Prisma.sql`
          SELECT ${source}::int AS source, count(*)::int AS count, min(id) AS oldest
          FROM (${rows} ${ordered ? NEWEST : Prisma.empty} LIMIT ${FEW + 1}) AS candidate`,
      );
      const seen = await $queryRaw<{ source: number; count: number; oldest: string | null }[]>(
        Prisma.join(counts, ' UNION ALL '),
      );
      const [fewest] = seen.toSorted((a, b) => a.count - b.count);
      if (fewest!.count <= FEW) {
        const { rows, ordered } = sources[fewest!.source]!;
        // In order where an index has it: then the rest is not looked at once the page is full.
        return ids(fitting(Prisma.sql`${rows} ${ordered ? NEWEST : Prisma.empty} LIMIT ${FEW}`));
      }

      // The newest of which so many reach furthest back is the sparsest.
      const [sparsest] = seen
        .filter(({ source }) => sources[source]!.ordered)
        .toSorted((a, b) => (a.oldest! < b.oldest! ? -1 : 1));
      const { rows, covers } = sources[sparsest!.source]!;
      const look = (where: Prisma.Sql, most: number, left: number) =>
        ids(
          fitting(Prisma.sql`SELECT * FROM (${rows}) AS listed WHERE ${where} ${NEWEST} LIMIT ${most}`, left),
        );
      const found = await look(Prisma.sql`id >= ${sparsest!.oldest}`, MANY, wanted);
      if (found.length === wanted) return found;
      const { each, least } = covers ? LOOKS.byIndex : LOOKS.byRow;
      const more = Math.min(MANY, Math.max(least, each * wanted));
      // As many again in every FEW would fill the page.
      if (found.length * more >= wanted * FEW) {
        found.push(...(await look(Prisma.sql`id < ${sparsest!.oldest}`, more, wanted - found.length)));
        if (found.length === wanted) return found;
      }
      // OFFSET 0: what fits is found first, by whatever index, and sorted then; nothing is walked through by id.
      return ids(newestOfAll(Prisma.sql`SELECT id FROM job WHERE ${holds} AND ${behind} OFFSET 0`));
    },
  };
}
