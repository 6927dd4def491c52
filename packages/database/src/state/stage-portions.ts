/** Which of the stages that wait nothing keeps any more, and their way into the queue: in portions where there are many. The states: stage-state.ts. */
import type { Statements, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { queueStages, STATUS } from './stage-state.js';

/**
 * Stages of a job that become queued in one transaction, which has the job's lock for a millisecond for every ten of them. Where more are
 * possible at once, the job remembers from which position on, and the next portion follows when a stage of it is claimed or ends. There always
 * is one: what a stage waits for has a lower position, so the first of those that wait is possible.
 */
export const QUEUED_AT_ONCE = 1000;

/** Stages that wait and might be possible. Of each `id`, "jobId", `position`, `known` (its `blocked_by`) and `place` in its job. */
type Candidates = Prisma.Sql;

interface Possible {
  ids: string[];
  /** Where the next portion of a job begins. */
  next: { jobId: string; position: number }[];
}

const candidatesWhere = (which: Prisma.Sql, place: Prisma.Sql): Candidates => Prisma.sql`
  SELECT stage.id, stage.job_id AS "jobId", stage.position, stage.blocked_by AS known, ${place} AS place
  FROM stage WHERE ${STATUS} = 'waiting' AND ${which}`;

/**
 * Of the candidates of a portion, those that nothing keeps any more. The rest remembers as `blocked_by` one of the stages that keep it, the last
 * of them: while that one has not ended, nobody has to look at the others.
 */
async function possible(tx: Statements, candidates: Candidates): Promise<Possible> {
  const rows = await tx.$queryRaw<{ id: string; jobId: string | null; position: number | null }[]>`
    WITH candidate AS MATERIALIZED (${candidates}),
    found AS MATERIALIZED (
      SELECT candidate.id, candidate.known, (
        SELECT mine.dependency_id FROM stage_dependency AS mine
          CROSS JOIN LATERAL (SELECT status FROM stage AS one WHERE one.id = mine.dependency_id LIMIT 1) AS before
        WHERE mine.stage_id = candidate.id AND before.status <> 'succeeded'
          AND (mine.needed OR before.status NOT IN ('failed', 'cancelled'))
        ORDER BY mine.position DESC LIMIT 1) AS blocker
      FROM candidate WHERE place <= ${QUEUED_AT_ONCE}
    ), blocked AS (
      UPDATE stage SET blocked_by = found.blocker FROM found
      WHERE stage.id = found.id AND found.blocker IS NOT NULL AND found.blocker IS DISTINCT FROM found.known
    )
    SELECT id, NULL AS "jobId", NULL::int AS position FROM found WHERE blocker IS NULL
    UNION ALL SELECT id, "jobId", position FROM candidate WHERE place = ${QUEUED_AT_ONCE + 1}`;
  const isNext = (row: (typeof rows)[number]): row is (typeof rows)[number] & Possible['next'][number] =>
    row.position !== null;
  return { ids: rows.filter((row) => !isNext(row)).map(({ id }) => id), next: rows.filter(isNext) };
}

/** The next portion of the job begins there, or where it already did, whichever is first. */
export async function continueAt(tx: Statements, jobId: string, position: number): Promise<void> {
  await tx.$queryRaw`UPDATE job SET possible_from = least(possible_from, ${position}::int) WHERE id = ${jobId}`;
}

/** Those that waited for one of `ids`, which have succeeded, and for nothing else any more: the first portion of them. */
export async function possibleAfter(tx: Statements, ids: string[]): Promise<string[]> {
  const which = Prisma.sql`stage.id = ANY(ARRAY(SELECT DISTINCT stage_id FROM stage_dependency WHERE dependency_id = ANY(${ids})))
    AND (stage.blocked_by IS NULL OR stage.blocked_by = ANY(${ids}))`;
  const place = Prisma.sql`row_number() OVER (PARTITION BY stage.job_id ORDER BY stage.position)`;
  const first = await possible(tx, candidatesWhere(which, place));
  for (const { jobId, position } of first.next) await continueAt(tx, jobId, position);
  return first.ids;
}

/** waiting → queued, for the same. */
export async function queueDependents(tx: Statements, ids: string[]): Promise<void> {
  await queueStages(tx, await possibleAfter(tx, ids));
}

/** waiting → queued, for the next portion of a job that has one. */
export async function queueNextOf(tx: Statements, jobId: string): Promise<void> {
  const which = Prisma.sql`stage.job_id = ${jobId} AND stage.position >= (SELECT possible_from FROM job WHERE id = ${jobId})`;
  // Read in order and no further than needed, which the window would not see.
  const rows = candidatesWhere(which, Prisma.sql`row_number() OVER (ORDER BY stage.position)`);
  const portion = await possible(tx, Prisma.sql`${rows} ORDER BY stage.position LIMIT ${QUEUED_AT_ONCE + 1}`);
  const position = portion.next[0]?.position ?? null;
  await tx.$queryRaw`UPDATE job SET possible_from = ${position}::int WHERE id = ${jobId}`;
  await queueStages(tx, portion.ids);
}

/**
 * waiting → queued, for those of the job that nothing keeps any more, all of them: what came before them has ended otherwise than they waited
 * for, or is to be made again.
 */
export async function queuePossibleOf(tx: Statements, jobId: string): Promise<void> {
  const { ids } = await possible(tx, candidatesWhere(Prisma.sql`stage.job_id = ${jobId}`, Prisma.sql`0`));
  await tx.$queryRaw`UPDATE job SET possible_from = NULL WHERE id = ${jobId} AND possible_from IS NOT NULL`;
  await queueStages(tx, ids);
}

/** paused → queued, and what became possible meanwhile. The job is not `paused` any more. */
export async function resumeStagesOfJob(tx: Transaction, jobId: string): Promise<void> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM stage WHERE job_id = ${jobId} AND status = 'paused' ORDER BY position`;
  await queueStages(
    tx,
    rows.map(({ id }) => id),
  );
  await queuePossibleOf(tx, jobId);
}
