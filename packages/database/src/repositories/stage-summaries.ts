/** How far the stages of jobs are, grouped by kind and run, as one query for any number of jobs. */
import type { Progress, StageKind, StageSummary } from '@rela/contracts';
import type { Transaction } from '../connection.js';

interface SummaryRow {
  jobId: string;
  kind: StageKind;
  runId: string | null;
  total: number;
  succeeded: number;
  reused: number;
  failed: number;
  done: number | null;
  ofTotal: number | null;
  unit: string | null;
  rate: number | null;
}

function progressOf({ done, ofTotal, unit, rate }: SummaryRow): Progress | null {
  if (done === null || ofTotal === null || unit === null) return null;
  return { done, total: ofTotal, unit, rate, secondsLeft: rate ? Math.max(0, ofTotal - done) / rate : null };
}

/** Summaries by job id, in the order in which the stages run. */
export async function summariseStages(
  prisma: Transaction,
  jobIds: string[],
): Promise<Map<string, StageSummary[]>> {
  const rows = await prisma.$queryRaw<SummaryRow[]>`
    SELECT job_id AS "jobId", kind, run_id AS "runId", count(*)::int AS total,
      count(*) FILTER (WHERE status = 'succeeded')::int AS succeeded,
      count(*) FILTER (WHERE reused)::int AS reused,
      count(*) FILTER (WHERE status = 'failed')::int AS failed,
      sum((progress->>'done')::float8) AS done,
      sum((progress->>'total')::float8) AS "ofTotal",
      min(progress->>'unit') AS unit,
      sum((progress->>'rate')::float8) AS rate
    FROM stage WHERE job_id = ANY(${jobIds})
    GROUP BY job_id, kind, run_id ORDER BY job_id, min(position)`;
  const summaries = new Map<string, StageSummary[]>(jobIds.map((id) => [id, []]));
  for (const row of rows) {
    const { jobId, kind, runId, total, succeeded, reused, failed } = row;
    summaries.get(jobId)?.push({ kind, runId, total, succeeded, reused, failed, progress: progressOf(row) });
  }
  return summaries;
}
