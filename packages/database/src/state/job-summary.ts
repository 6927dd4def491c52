/**
 * What is shown of a job beside its own row: its runs, how far its stages are, what it waits for, what was found out on the way. While the
 * job is under way it is gathered each time; at its end it is kept, for lists that show many that have ended. The time of the end says of
 * which end it is: a job that is sent again has none until it ends again.
 */
import type { Job, JobRunSummary, StageInputOf, StageKind } from '@rela/contracts';
import type { z } from 'zod';
import type { Statements } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { ownedSql, type TenantScope } from '../repositories/scope.js';

/** All stages of a kind and a run, as one. */
export type StageParts = [
  kind: StageKind,
  runId: string | null,
  total: number,
  succeeded: number,
  reused: number,
  failed: number,
  done: number | null,
  ofTotal: number | null,
  unit: string | null,
  rate: number | null,
  looks: unknown[] | null,
  blends: NonNullable<StageInputOf<'reduce'>['blend']>[] | null,
];

/** Null is none. */
export interface JobParts {
  waitsFor: Job['waitsFor'] | null;
  runs: z.infer<typeof JobRunSummary>[] | null;
  stages: StageParts[] | null;
  warnings: string[] | null;
}

/** `JobParts` of the row `job` of the query around it. As `json`, which is text already: to make `jsonb` of it took longer than to read it. */
export const PARTS = Prisma.sql`json_build_object(
  'waitsFor', (
    SELECT json_agg(json_build_object('jobId', needed_job_id, 'runId', needed_run_id, 'met', met_at IS NOT NULL)
      ORDER BY position)
    FROM job_dependency WHERE job_dependency.job_id = job.id),
  'runs', (
    SELECT json_agg(json_build_object('id', run.id, 'name', run.name, 'status', run.status) ORDER BY position)
    FROM run WHERE run.job_id = job.id),
  'stages', (
    SELECT json_agg(summary.row ORDER BY first) FROM (
      SELECT min(position) AS first, json_build_array(
        kind, run_id, count(*),
        count(*) FILTER (WHERE stage.status = 'succeeded'),
        count(*) FILTER (WHERE reused),
        count(*) FILTER (WHERE stage.status = 'failed'),
        sum((progress->>'done')::float8),
        sum((progress->>'total')::float8),
        min(progress->>'unit'),
        sum((progress->>'rate')::float8),
        json_agg(result ORDER BY position) FILTER (WHERE kind IN ('appraise', 'choose') AND result IS NOT NULL),
        -- Not the whole inputs: they name every shard.
        json_agg(input->'blend' ORDER BY position) FILTER (WHERE kind = 'reduce' AND input ? 'blend')) AS row
      FROM stage WHERE stage.job_id = job.id GROUP BY kind, run_id) AS summary),
  'warnings', (
    SELECT json_agg(payload->'text' ORDER BY sequence) FROM job_event
    WHERE job_event.job_id = job.id AND type = 'warning'))`;

/** Of a job that has ended: to be called in the transaction that ends it, when all else of it is written. */
export async function keepSummary(tx: Statements, id: string): Promise<void> {
  await tx.$queryRaw`
    INSERT INTO job_summary (job_id, ended_at, parts)
    SELECT id, ended_at, ${PARTS} FROM job WHERE id = ${id} AND ended_at IS NOT NULL
    ON CONFLICT (job_id) DO UPDATE SET ended_at = excluded.ended_at, parts = excluded.parts`;
}

/** @returns whether what was kept of the job is what its rows say; so it is where nothing was kept */
export async function summaryHolds(tx: Statements, id: string, tenant: TenantScope): Promise<boolean> {
  const [row] = await tx.$queryRaw<{ same: boolean }[]>`
    SELECT kept.parts::jsonb = ${PARTS}::jsonb AS same
    FROM job JOIN job_summary AS kept ON kept.job_id = job.id AND kept.ended_at = job.ended_at
    WHERE job.id = ${id} AND ${ownedSql(tenant, 'job')}`;
  return row?.same ?? true;
}
