/** Jobs as users see them: with their runs, how far their stages are, and what was found out about priors, as one query for any number of jobs. */
import {
  Appraisal,
  type Job,
  type JobStatus,
  type Labels,
  PriorChoice,
  type Progress,
  type StageKind,
  type StageSummary,
} from '@rela/contracts';
import { among } from '../among.js';
import type { Statements } from '../connection.js';
import { type JobParts, PARTS, type StageParts } from '../state/job-summary.js';
import { limitsOf } from './claim.js';
import { ownedSql, type TenantScope } from './scope.js';

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
  parts: JobParts;
}

function toSummary(row: StageParts) {
  const [kind, runId, total, succeeded, reused, failed, done, ofTotal, unit, rate, looks, blends] = row;
  const progress: Progress | null =
    done === null || ofTotal === null || unit === null
      ? null
      : { done, total: ofTotal, unit, rate, secondsLeft: rate ? Math.max(0, ofTotal - done) / rate : null };
  const summary: StageSummary = { kind, runId, total, succeeded, reused, failed, progress };
  return { summary, kind, looks: looks ?? [], blends: blends ?? [] };
}

function toJob({ parts, ...row }: JobRow): Job {
  const stages = (parts.stages ?? []).map(toSummary);
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
    warnings: parts.warnings ?? [],
    waitsFor: parts.waitsFor ?? [],
    labels: row.labels,
    limits: limitsOf(row),
    priority: row.priority,
    scheduleId: row.scheduleId,
    dueAt: row.dueAt?.toISOString() ?? null,
    runs: parts.runs ?? [],
    stages: stages.map(({ summary }) => summary),
    error: row.error,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}

/** By id; those that do not exist are missing. Of jobs that have ended what was kept at their end, where it was. */
export async function readJobs(
  tx: Statements,
  ids: string[],
  tenant: TenantScope,
): Promise<Map<string, Job>> {
  const rows = await tx.$queryRaw<JobRow[]>`
    SELECT job.id, name, status, dataset_id AS "datasetId", prior_id AS "priorId", labels, priority,
      schedule_id AS "scheduleId", due_at AS "dueAt", max_attempts AS "maxAttempts",
      attempt_seconds AS "attemptSeconds", error, created_at AS "createdAt", started_at AS "startedAt", job.ended_at AS "endedAt",
      coalesce(kept.parts, ${PARTS}) AS parts
    FROM job LEFT JOIN job_summary AS kept ON kept.job_id = job.id AND kept.ended_at = job.ended_at
    WHERE job.id = ${among(ids)} AND ${ownedSql(tenant, 'job')}`;
  return new Map(rows.map((row) => [row.id, toJob(row)]));
}
