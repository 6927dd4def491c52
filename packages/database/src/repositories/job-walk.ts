/** Jobs of which several conditions hold: all of one condition where it has few, else the newest of the sparsest, looked through in their order. */
import type { Labels } from '@rela/contracts';
import type { Statements } from '../connection.js';
import { Prisma } from '../generated/client.js';

/** Jobs of which one condition holds. */
export interface Source {
  /** Of `id`, behind the cursor, and `labels`: all of the job's, or null where the index that is read does not have them. */
  rows: Prisma.Sql;
  /** An index has the rows by id; they come without an order. */
  ordered: boolean;
  /** What else has to hold is said by `labels`, where they are there. */
  covers: boolean;
}

/** So many jobs are read and sorted in a millisecond or two. */
const FEW = 300;
/**
 * The newest of the sparsest condition are looked through: first as many as were counted, then, where the page may become full, so many for
 * each job of the page, and so many at least. What the index says of a job takes a fifth of the time that its row takes.
 */
const LOOKS = { byRow: { each: 50, least: 1000 }, byIndex: { each: 250, least: 5000 } };
const MANY = 5000;
const NEWEST = Prisma.sql`ORDER BY id DESC`;

export interface Walk {
  sources: Source[];
  /** What has to hold of the row `job`. */
  holds: Prisma.Sql;
  /** Of that, what may be asked of `labels` before. */
  labels: Labels;
  wanted: number;
}

/** The newest `wanted`; fewer where there are no more. Null where it had to read too many to say. */
export async function walk(
  { $queryRaw }: Statements,
  { sources, holds, labels, wanted }: Walk,
): Promise<string[] | null> {
  const fits =
    Object.keys(labels).length > 0
      ? Prisma.sql`(candidate.labels IS NULL OR candidate.labels @> ${JSON.stringify(labels)}::jsonb)`
      : Prisma.sql`true`;
  // A sub-query: each that may fit is looked up by its id, in the order in which they come, whatever the planner expects.
  const fitting = async (some: Prisma.Sql, most: number) => {
    const rows = await $queryRaw<{ id: string }[]>`
      SELECT candidate.id FROM (${some}) AS candidate
      WHERE ${fits} AND (SELECT ${holds} FROM job WHERE job.id = candidate.id) ORDER BY candidate.id DESC LIMIT ${most}`;
    return rows.map(({ id }) => id);
  };

  const seen = await counted({ $queryRaw }, sources);
  const [fewest] = seen.toSorted((a, b) => a.count - b.count);
  if (fewest!.count <= FEW) {
    const { rows, ordered } = sources[fewest!.source]!;
    // In order where an index has it: then the rest is not looked at once the page is full.
    return fitting(Prisma.sql`${rows} ${ordered ? NEWEST : Prisma.empty} LIMIT ${FEW}`, wanted);
  }

  // The newest of which so many reach furthest back is the sparsest.
  const [sparsest] = seen
    .filter(({ source }) => sources[source]!.ordered)
    .toSorted((a, b) => (a.oldest! < b.oldest! ? -1 : 1));
  const { rows, covers } = sources[sparsest!.source]!;
  const look = (where: Prisma.Sql, most: number, left: number) =>
    fitting(Prisma.sql`SELECT * FROM (${rows}) AS listed WHERE ${where} ${NEWEST} LIMIT ${most}`, left);
  const found = await look(Prisma.sql`id >= ${sparsest!.oldest}`, MANY, wanted);
  if (found.length === wanted) return found;
  const { each, least } = covers ? LOOKS.byIndex : LOOKS.byRow;
  const more = Math.min(MANY, Math.max(least, each * wanted));
  // As many again in every FEW would fill the page.
  if (found.length * more < wanted * FEW) return null;
  found.push(...(await look(Prisma.sql`id < ${sparsest!.oldest}`, more, wanted - found.length)));
  return found.length === wanted ? found : null;
}

/** Of each source how many there are, up to one more than FEW, and the oldest of these. */
function counted(
  { $queryRaw }: Statements,
  sources: Source[],
): PromiseLike<{ source: number; count: number; oldest: string | null }[]> {
  const counts = sources.map(
    ({ rows, ordered }, source) => Prisma.sql`
      SELECT ${source}::int AS source, count(*)::int AS count, min(id) AS oldest
      FROM (${rows} ${ordered ? NEWEST : Prisma.empty} LIMIT ${FEW + 1}) AS candidate`,
  );
  return $queryRaw(Prisma.join(counts, ' UNION ALL '));
}
