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
 * The ordered list is looked through to so many jobs for each of the page, and so many at least; where a quarter of the page was among
 * these, to more. Where fewer are, those that fit are few, unless all of them are old, and sooner found all at once. What an index says of
 * a job takes a fifth of the time that its row takes.
 */
const LOOKS = {
  byRow: [
    { each: 10, least: 250 },
    { each: 50, least: 1000 },
  ],
  byIndex: [
    { each: 50, least: 1000 },
    { each: 250, least: 5000 },
  ],
};
const MANY = 5000;
/** Of so many names the newest of each are read. */
const FEW_NAMES = 50;

const NEWEST = Prisma.sql`ORDER BY id DESC`;

const and = (conditions: Prisma.Sql[]): Prisma.Sql =>
  conditions.length === 0 ? Prisma.sql`true` : Prisma.join(conditions, ' AND ');

/**
 * Rows of `id`, behind the cursor; without an order, but an index has them by id where `ordered`. Where `labelled`, the index has `labels`
 * too: all of the job's, or null.
 */
interface Source {
  rows: Prisma.Sql;
  ordered: boolean;
  labelled: boolean;
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
        SELECT job_id AS id, labels FROM job_label WHERE ${and([...ofTenant, ...one, ...behind(Prisma.sql`job_id`)])}`;
    });
    const others = { ordered: true, labelled: false };
    return [
      ...labelled.map((rows) => ({ rows, ordered: true, labelled: true })),
      ...(status === undefined ? [] : [{ rows: jobs(Prisma.sql`status = ${status}`), ...others }]),
      ...(schedule === undefined ? [] : [{ rows: jobs(Prisma.sql`schedule_id = ${schedule}`), ...others }]),
      ...(name === undefined
        ? []
        : [{ rows: Prisma.sql`${jobs(startsWith(name))} ${BY_NAME}`, ordered: false, labelled: false }]),
    ];
  }

  return {
    /** The newest behind the cursor, one more than a page has. @throws ProblemError `invalid-request` for a cursor of another list */
    async newest({ $queryRaw }: Statements, page: PageRequest & JobFilter): Promise<string[]> {
      const { cursor, status, name, schedule, labels = {} } = page;
      assertCursor('job', cursor);
      const wanted = page.limit + 1;
      const sources = sourcesOf(page);
      const behind = cursor === undefined ? Prisma.sql`true` : Prisma.sql`id < ${cursor}`;
      const everything: Source = {
        ...{
          rows: Prisma.sql`SELECT id FROM job WHERE ${own} AND ${behind}`,
          ordered: true,
          labelled: false,
        },
      };
      const ids = async (query: Prisma.Sql) => (await $queryRaw<{ id: string }[]>(query)).map(({ id }) => id);

      const [only = everything] = sources;
      if (sources.length <= 1 && only.ordered) return ids(Prisma.sql`${only.rows} ${NEWEST} LIMIT ${wanted}`);
      if (sources.length === 1 && name !== undefined) {
        const named = await $queryRaw<{ name: string }[]>(namesOf(own, name, FEW_NAMES));
        const names = named.map((one) => one.name);
        if (names.length <= FEW_NAMES) return ids(newestOf(own, names, behind, wanted));
      }

      const isLabelled = Object.keys(labels).length > 0;
      const asked = Prisma.sql`${JSON.stringify(labels)}::jsonb`;
      const holds = and([
        own,
        ...(status === undefined ? [] : [Prisma.sql`job.status = ${status}`]),
        ...(schedule === undefined ? [] : [Prisma.sql`job.schedule_id = ${schedule}`]),
        ...(name === undefined ? [] : [startsWith(name)]),
        ...(isLabelled ? [Prisma.sql`job.labels @> ${asked}`] : []),
      ]);
      // A sub-query: each is looked up by its id, in the order in which they come, whatever the planner expects.
      const holdsOf = Prisma.sql`(SELECT ${holds} FROM job WHERE job.id = candidate.id)`;
      const may = Prisma.sql`(candidate.labels IS NULL OR candidate.labels @> ${asked})`;
      const fitting = ({ labelled }: Source, some: Prisma.Sql, most = wanted) => Prisma.sql`
        SELECT candidate.id FROM (${some}) AS candidate WHERE ${and([...(labelled ? [may] : []), holdsOf])}
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
        const source = sources[fewest!.source]!;
        const { rows, ordered } = source;
        // In order where an index has it: then the rest is not looked at once the page is full.
        return ids(fitting(source, Prisma.sql`${rows} ${ordered ? NEWEST : Prisma.empty} LIMIT ${FEW}`));
      }

      // The newest of which so many reach furthest back is the sparsest.
      const [sparsest] = seen
        .filter(({ source }) => sources[source]!.ordered)
        .toSorted((a, b) => (a.oldest! < b.oldest! ? -1 : 1));
      const walked = sparsest === undefined ? everything : sources[sparsest.source]!;
      const found: string[] = [];
      let seenThrough = 0;
      for (const { each, least } of sources.every(({ labelled }) => labelled) ? LOOKS.byIndex : LOOKS.byRow) {
        const until = Math.min(MANY, Math.max(least, each * wanted));
        const part = Prisma.sql`${walked.rows} ${NEWEST} OFFSET ${seenThrough} LIMIT ${until - seenThrough}`;
        found.push(...(await ids(fitting(walked, part, wanted - found.length))));
        if (found.length === wanted) return found;
        if (4 * found.length < wanted) break;
        seenThrough = until;
      }
      // OFFSET 0: what fits is found first, by whatever index, and sorted then; nothing is walked through by id.
      return ids(Prisma.sql`
        SELECT id FROM (SELECT id FROM job WHERE ${holds} AND ${behind} OFFSET 0) AS found
        ORDER BY id DESC LIMIT ${wanted}`);
    },
  };
}
