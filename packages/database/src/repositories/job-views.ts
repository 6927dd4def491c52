/** Jobs as users see them: with their runs, how far their stages are, and what was found out about priors, as one query for any number of jobs. */
import {
  Appraisal,
  type Job,
  type JobRunSummary,
  type JobStatus,
  type Labels,
  PriorChoice,
  type Progress,
  type StageInputOf,
  type StageKind,
  type StageSummary,
} from '@rela/contracts';
import type { z } from 'zod';
import type { Statements } from '../connection.js';
import { limitsOf } from './claim.js';
import { ownedSql, type TenantScope } from './scope.js';

interface SummaryRow extends Omit<StageSummary, 'kind' | 'progress'> {
  kind: StageKind;
  done: number | null;
  ofTotal: number | null;
  unit: string | null;
  rate: number | null;
}

interface JobRow {
  id: string;
  name: string | null;
  status: JobStatus;
  datasetId: string;
  priorId: string | null;
  labels: Labels;
  priority: number;
  scheduleId: string | null;
  dueAt: Date | null;
  maxAttempts: number | null;
  attemptSeconds: number | null;
  error: string | null;
  createdAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  waitsFor: Job['waitsFor'] | null;
  runs: z.infer<typeof JobRunSummary>[] | null;
  stages: SummaryRow[] | null;
  looks: { kind: 'appraise' | 'choose'; result: unknown }[] | null;
  blends: NonNullable<StageInputOf<'reduce'>['blend']>[] | null;
  warnings: string[] | null;
}

function progressOf({ done, ofTotal, unit, rate }: SummaryRow): Progress | null {
  if (done === null || ofTotal === null || unit === null) return null;
  return { done, total: ofTotal, unit, rate, secondsLeft: rate ? Math.max(0, ofTotal - done) / rate : null };
}

function toSummary(row: SummaryRow): StageSummary {
  const { kind, runId, total, succeeded, reused, failed } = row;
  return { kind, runId, total, succeeded, reused, failed, progress: progressOf(row) };
}

function toJob(row: JobRow): Job {
  const looks = row.looks ?? [];
  const [choice] = looks.filter(({ kind }) => kind === 'choose').slice(-1);
  const [blend] = (row.blends ?? [])
    .map((parts) => parts.flatMap(({ prior, weight }) => (prior ? [{ prior, weight }] : [])))
    .filter((parts) => parts.length > 0)
    .slice(-1);
  return {
    ...{ id: row.id, name: row.name, status: row.status, datasetId: row.datasetId, priorId: row.priorId },
    blend: blend ?? null,
    appraisals: looks.filter(({ kind }) => kind === 'appraise').map(({ result }) => Appraisal.parse(result)),
    choice: choice ? PriorChoice.parse(choice.result) : null,
    warnings: row.warnings ?? [],
    waitsFor: row.waitsFor ?? [],
    labels: row.labels,
    limits: limitsOf(row),
    priority: row.priority,
    scheduleId: row.scheduleId,
    dueAt: row.dueAt?.toISOString() ?? null,
    runs: row.runs ?? [],
    stages: (row.stages ?? []).map(toSummary),
    error: row.error,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}

/** By id; those that do not exist are missing. */
export async function readJobs(
  tx: Statements,
  ids: string[],
  tenant: TenantScope,
): Promise<Map<string, Job>> {
  const rows = await tx.$queryRaw<JobRow[]>`
    SELECT id, name, status, dataset_id AS "datasetId", prior_id AS "priorId", labels, priority,
      schedule_id AS "scheduleId", due_at AS "dueAt", max_attempts AS "maxAttempts",
      attempt_seconds AS "attemptSeconds", error, created_at AS "createdAt", started_at AS "startedAt", ended_at AS "endedAt",
      (SELECT jsonb_agg(jsonb_build_object('jobId', needed_job_id, 'runId', needed_run_id, 'met', met_at IS NOT NULL)
          ORDER BY position)
        FROM job_dependency WHERE job_dependency.job_id = job.id) AS "waitsFor",
      (SELECT jsonb_agg(jsonb_build_object('id', run.id, 'name', run.name, 'status', run.status) ORDER BY position)
        FROM run WHERE run.job_id = job.id) AS runs,
      (SELECT jsonb_agg(to_jsonb(summary) - 'first' ORDER BY first) FROM (
        SELECT kind, run_id AS "runId", count(*)::int AS total,
          count(*) FILTER (WHERE stage.status = 'succeeded')::int AS succeeded,
          count(*) FILTER (WHERE reused)::int AS reused,
          count(*) FILTER (WHERE stage.status = 'failed')::int AS failed,
          sum((progress->>'done')::float8) AS done,
          sum((progress->>'total')::float8) AS "ofTotal",
          min(progress->>'unit') AS unit,
          sum((progress->>'rate')::float8) AS rate,
          min(position) AS first
        FROM stage WHERE stage.job_id = job.id GROUP BY kind, run_id) AS summary) AS stages,
      (SELECT jsonb_agg(jsonb_build_object('kind', kind, 'result', result) ORDER BY position) FROM stage
        WHERE stage.job_id = job.id AND kind IN ('appraise', 'choose') AND result IS NOT NULL) AS looks,
      -- Not the whole inputs: they name every shard.
      (SELECT jsonb_agg(input->'blend' ORDER BY position) FROM stage
        WHERE stage.job_id = job.id AND kind = 'reduce' AND input ? 'blend') AS blends,
      (SELECT jsonb_agg(payload->'text' ORDER BY sequence) FROM job_event
        WHERE job_event.job_id = job.id AND type = 'warning') AS warnings
    FROM job WHERE id = ANY(${ids}) AND ${ownedSql(tenant, 'job')}`;
  return new Map(rows.map((row) => [row.id, toJob(row)]));
}
