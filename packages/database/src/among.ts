import { Prisma } from './generated/client.js';

/**
 * `= ANY` of the ids, without telling the planner how many there are. Where it knows, it expects less of one than of the ten of a plan that
 * is kept, and so makes a new plan each time: for what is asked by one or by fifty all the time that takes longer than to find the rows.
 */
export const among = (ids: string[]): Prisma.Sql => Prisma.sql`ANY ((SELECT ${ids}::text[])::text[])`;
