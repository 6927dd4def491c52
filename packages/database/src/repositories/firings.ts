/** The log of firings: what became of each time at which a schedule was due, the newest thousand of a schedule. */
import { type Firing, type FiringOutcome, newId, type Page, type Problem } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import type { Firing as FiringRow, Prisma } from '../generated/client.js';
import { fromJson, toJson } from './json.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';

const KEPT = 1000;

export interface NewFiring {
  scheduleId: string;
  trigger: Firing['trigger'];
  dueAt: Date;
  outcome: FiringOutcome;
  jobId?: string;
  missed?: number;
  problem?: Problem;
}

function toFiring({ trigger, outcome, problem, ...row }: FiringRow): Firing {
  return {
    ...row,
    trigger: trigger as Firing['trigger'],
    outcome: outcome as FiringOutcome,
    problem: problem === null ? null : fromJson(problem),
    dueAt: row.dueAt.toISOString(),
    at: row.at.toISOString(),
  };
}

/** Adds an entry and drops those that are too many. Two of one schedule and time break the unique key, and so their transaction. */
export async function insertFiring(tx: Transaction, { problem, ...firing }: NewFiring): Promise<Firing> {
  const row = await tx.firing.create({
    data: { ...firing, id: newId('fir'), ...(problem ? { problem: toJson(problem) } : {}) },
  });
  const { scheduleId } = firing;
  await tx.$executeRaw`
    DELETE FROM firing WHERE schedule_id = ${scheduleId} AND id < (
      SELECT id FROM firing WHERE schedule_id = ${scheduleId} ORDER BY id DESC OFFSET ${KEPT - 1} LIMIT 1)`;
  return toFiring(row);
}

/** The newest `count` of each of the schedules, newest first. */
export async function newestFirings(
  tx: Transaction,
  scheduleIds: string[],
  count: number,
): Promise<Map<string, Firing[]>> {
  if (scheduleIds.length === 0) return new Map();
  const ids = await tx.$queryRaw<{ id: string }[]>`
    SELECT newest.id FROM unnest(${scheduleIds}::text[]) AS schedule (id) CROSS JOIN LATERAL (
      SELECT firing.id FROM firing WHERE schedule_id = schedule.id ORDER BY firing.id DESC LIMIT ${count}) AS newest`;
  const rows = await tx.firing.findMany({
    where: { id: { in: ids.map(({ id }) => id) } },
    orderBy: { id: 'desc' },
  });
  const found = new Map<string, Firing[]>();
  for (const row of rows) found.set(row.scheduleId, [...(found.get(row.scheduleId) ?? []), toFiring(row)]);
  return found;
}

/** @throws ProblemError `invalid-request` for a cursor of another list */
export async function pageOfFirings(
  tx: Transaction,
  scheduleId: string,
  { outcome, ...page }: PageRequest & { outcome?: FiringOutcome | undefined },
): Promise<Page<Firing>> {
  const { where, ...rest } = pageArguments('fir', page);
  const filter: Prisma.FiringWhereInput = { ...where, scheduleId, ...(outcome ? { outcome } : {}) };
  return pageOf(await tx.firing.findMany({ ...rest, where: filter }), page.limit, toFiring);
}
