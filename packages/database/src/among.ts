import { Prisma } from './generated/client.js';

/**
 * `= ANY` of the ids, without telling the planner how many there are. Where it knows, it expects less of one than of the ten of a plan that
 * is kept, and so makes a new plan each time: for what is asked by one or by fifty all the time that takes longer than to find the rows.
 * Not for tables that become many times as long within a minute, as the outbox does: a plan that was right for the short one is kept too.
 */
export const among = (ids: string[]): Prisma.Sql => Prisma.sql`ANY ((SELECT ${ids}::text[])::text[])`;
