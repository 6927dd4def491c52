/** Jobs as the API shows them, from their rows and what belongs to them. */
import type { Job, JobStatus, RunStatus } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import type { Prisma } from '../generated/client.js';
import { limitsOf } from './claim.js';
import { fromJson } from './json.js';
import { NOTHING_KNOWN, type PriorReport, reportPriors } from './prior-reports.js';
import { summariseStages } from './stage-summaries.js';

export const WITH_RUNS = {
  include: { runs: { select: { id: true, name: true, status: true }, orderBy: { position: 'asc' } } },
} satisfies Prisma.JobDefaultArgs;
type JobRow = Prisma.JobGetPayload<typeof WITH_RUNS>;

interface Joined {
  stages: Job['stages'] | undefined;
  report: PriorReport | undefined;
}

function toJob(row: JobRow, { stages = [], report = NOTHING_KNOWN }: Joined): Job {
  return {
    id: row.id,
    name: row.name,
    status: row.status as JobStatus,
    datasetId: row.datasetId,
    priorId: row.priorId,
    ...report,
    labels: fromJson(row.labels),
    limits: limitsOf(row),
    runs: row.runs.map((run) => ({ ...run, status: run.status as RunStatus })),
    stages,
    error: row.error,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}

/** As many jobs by a fixed number of queries. */
export async function viewJobs(prisma: Transaction, rows: JobRow[]): Promise<Job[]> {
  const ids = rows.map(({ id }) => id);
  const [summaries, reports] = [await summariseStages(prisma, ids), await reportPriors(prisma, ids)];
  return rows.map((row) => toJob(row, { stages: summaries.get(row.id), report: reports.get(row.id) }));
}

export async function viewJob(prisma: Transaction, row: JobRow): Promise<Job> {
  const [job] = await viewJobs(prisma, [row]);
  return job!;
}
