/**
 * Jobs by the start of their name. The index has a name's jobs by id, but those of a start only name by name: where there are few of
 * these, as of a schedule's jobs or of a month's, the newest of each are all that has to be read, however many jobs have them.
 */
import { Prisma } from '../generated/client.js';

/** The order of the index, so that it is used also where a name is so common that reading the table from its start seems as good. */
export const BY_NAME = Prisma.sql`ORDER BY lower(job.name) USING ~<~, id DESC`;

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

export const startsWith = (name: string): Prisma.Sql =>
  Prisma.sql`lower(job.name) LIKE ${`${escapeLike(name.toLowerCase())}%`}`;

/** The names in small letters that start so, each found from the one before: `most` and one at most. Rows of one column, `name`. */
export const namesOf = (own: Prisma.Sql, start: string, most: number): Prisma.Sql => {
  const next = (further: Prisma.Sql) => Prisma.sql`
    SELECT lower(job.name) AS name FROM job WHERE ${own} AND ${startsWith(start)} ${further}
    ORDER BY lower(job.name) USING ~<~ LIMIT 1`;
  return Prisma.sql`
    WITH RECURSIVE named AS (
      SELECT name, 0 AS place FROM (${next(Prisma.empty)}) AS first
      UNION ALL
      SELECT (${next(Prisma.sql`AND lower(job.name) ~>~ named.name`)}), place + 1
      FROM named WHERE named.name IS NOT NULL AND place < ${most})
    SELECT name FROM named WHERE name IS NOT NULL`;
};

/** The newest of each of these names, and of all of them the newest. Rows of one column, `id`. */
export const newestOf = (
  own: Prisma.Sql,
  names: string[],
  behind: Prisma.Sql,
  limit: number,
): Prisma.Sql => Prisma.sql`
  SELECT newest.id FROM unnest(${names}::text[]) AS wanted (name), LATERAL (
    SELECT id FROM job WHERE ${own} AND lower(job.name) = wanted.name AND ${behind} ORDER BY id DESC LIMIT ${limit}) AS newest
  ORDER BY newest.id DESC LIMIT ${limit}`;
