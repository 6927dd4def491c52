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

type SummaryRow = [
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
  warnings: string[] | null;
}

function toSummary(row: SummaryRow) {
  const [kind, runId, total, succeeded, reused, failed, done, ofTotal, unit, rate, looks, blends] = row;
  const progress: Progress | null =
    done === null || ofTotal === null || unit === null
      ? null
      : { done, total: ofTotal, unit, rate, secondsLeft: rate ? Math.max(0, ofTotal - done) / rate : null };
  const summary: StageSummary = { kind, runId, total, succeeded, reused, failed, progress };
  return { summary, kind, looks: looks ?? [], blends: blends ?? [] };
}

function toJob(row: JobRow): Job {
  const stages = (row.stages ?? []).map(toSummary);
  const looksOf = (wanted: StageKind) => stages.flatMap(({ kind, looks }) => (kind === wanted ? looks : []));
  const choice = looksOf('choose').at(-1);
  const blend = stages
    .flatMap(({ blends }) => blends)
    .map((parts) => parts.flatMap(({ prior, weight }) => (prior ? [{ prior, weight }] : [])))
    .findLast((parts) => parts.length > 0);
  return {
    ...{ id: row.id, name: row.name, status: row.status, datasetId: row.datasetId, priorId: row.priorId },
    blend: blend ?? null,
    appraisals: looksOf('appraise').map((look) => Appraisal.parse(look)),
    choice: choice === undefined ? null : PriorChoice.parse(choice),
    warnings: row.warnings ?? [],
    waitsFor: row.waitsFor ?? [],
    labels: row.labels,
    limits: limitsOf(row),
    priority: row.priority,
    scheduleId: row.scheduleId,
    dueAt: row.dueAt?.toISOString() ?? null,
    runs: row.runs ?? [],
    stages: stages.map(({ summary }) => summary),
    error: row.error,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}

/** By id; those that do not exist are missing. As `json`, which is text already: to make `jsonb` of it took longer than to read it. */
export async function readJobs(
  tx: Statements,
  ids: string[],
  tenant: TenantScope,
): Promise<Map<string, Job>> {
  const rows = await tx.$queryRaw<JobRow[]>`
    SELECT id, name, status, dataset_id AS "datasetId", prior_id AS "priorId", labels, priority,
      schedule_id AS "scheduleId", due_at AS "dueAt", max_attempts AS "maxAttempts",
      attempt_seconds AS "attemptSeconds", error, created_at AS "createdAt", started_at AS "startedAt", ended_at AS "endedAt",
      (SELECT json_agg(json_build_object('jobId', needed_job_id, 'runId', needed_run_id, 'met', met_at IS NOT NULL)
          ORDER BY position)
        FROM job_dependency WHERE job_dependency.job_id = job.id) AS "waitsFor",
      (SELECT json_agg(json_build_object('id', run.id, 'name', run.name, 'status', run.status) ORDER BY position)
        FROM run WHERE run.job_id = job.id) AS runs,
      (SELECT json_agg(summary.row ORDER BY first) FROM (
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
        FROM stage WHERE stage.job_id = job.id GROUP BY kind, run_id) AS summary) AS stages,
      (SELECT json_agg(payload->'text' ORDER BY sequence) FROM job_event
        WHERE job_event.job_id = job.id AND type = 'warning') AS warnings
    FROM job WHERE id = ANY(${ids}) AND ${ownedSql(tenant, 'job')}`;
  return new Map(rows.map((row) => [row.id, toJob(row)]));
}
