/** Jobs: accepted in one transaction with all that they need; cancelled. Their state: state/job-state.ts. */
import { type Job, type JobPlan, type JobStatus, newId, type Page, ProblemError } from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import type { Prisma } from '../generated/client.js';
import { lockJob } from '../state/events.js';
import { insertJob, requestCancel, settleJob } from '../state/job-state.js';
import { insertRuns } from '../state/run-state.js';
import { cancelStagesOfJob } from '../state/stage-state.js';
import { toJson } from './json.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';
import { writeStages } from './plan-rows.js';
import { NOTHING_KNOWN, type PriorReport, reportPriors } from './prior-reports.js';
import { summariseStages } from './stage-summaries.js';

const WITH_RUNS = {
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
    runs: row.runs.map((run) => ({ ...run, status: run.status as JobStatus })),
    stages,
    error: row.error,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}

async function writePlan(tx: Transaction, jobId: string, plan: JobPlan): Promise<void> {
  const { name, datasetId, priorId, reuse } = plan;
  await insertJob(tx, { id: jobId, name, datasetId, priorId, reuse });
  const runs = plan.runs.map((spec, position) => ({
    ...{ id: newId('run'), jobId, position, name: spec.name, spec: toJson(spec) },
  }));
  await insertRuns(tx, jobId, runs);
  await writeStages(tx, jobId, plan, {
    runs: runs.map(({ id }) => id),
    ...{ position: 0, existing: new Map() },
  });
}

async function join(prisma: Transaction, rows: JobRow[]): Promise<Job[]> {
  const ids = rows.map(({ id }) => id);
  const [summaries, reports] = [await summariseStages(prisma, ids), await reportPriors(prisma, ids)];
  return rows.map((row) => toJob(row, { stages: summaries.get(row.id), report: reports.get(row.id) }));
}

export function createJobs({ prisma, transaction }: Connection) {
  async function get(id: string): Promise<Job | null> {
    const row = await prisma.job.findUnique({ where: { id }, ...WITH_RUNS });
    if (!row) return null;
    return (await join(prisma, [row]))[0]!;
  }

  async function existing(id: string): Promise<Job> {
    const job = await get(id);
    if (job) return job;
    throw new ProblemError('not-found', `There is no job "${id}". GET /v1/jobs lists them.`);
  }

  return {
    /** Writes down the whole plan and queues what can start, in one transaction: when it resolves, the job is accepted. */
    async create(plan: JobPlan, tx?: Transaction): Promise<Job> {
      const id = newId('job');
      if (tx) {
        await writePlan(tx, id, plan);
        const row = await tx.job.findUniqueOrThrow({ where: { id }, ...WITH_RUNS });
        return (await join(tx, [row]))[0]!;
      }
      await transaction((within) => writePlan(within, id, plan));
      return existing(id);
    },

    get,

    async list(page: PageRequest & { status?: JobStatus | undefined }): Promise<Page<Job>> {
      const { where, ...rest } = pageArguments('job', page);
      const rows = await prisma.job.findMany({
        ...rest,
        where: { ...where, ...(page.status === undefined ? {} : { status: page.status }) },
        ...WITH_RUNS,
      });
      const jobs = await join(prisma, rows.slice(0, page.limit));
      const byId = new Map(jobs.map((job) => [job.id, job]));
      return pageOf(rows, page.limit, (row) => byId.get(row.id)!);
    },

    /**
     * Cancels what has not started at once and tells the rest by their heartbeats; the job is `cancelled` when nothing
     * of it runs any more. A job that was cancelled before is returned as it is.
     * @throws ProblemError `not-found` · `conflict` where the job has ended otherwise
     */
    async cancel(id: string): Promise<Job> {
      const before = await transaction(async (tx) => {
        if (!(await lockJob(tx, id))) return null;
        const { status, cancelRequested } = await tx.job.findUniqueOrThrow({ where: { id } });
        if ((status === 'queued' || status === 'running') && !cancelRequested) {
          await requestCancel(tx, id);
          await cancelStagesOfJob(tx, id);
          await settleJob(tx, id);
        }
        return status as JobStatus;
      });
      if (before === 'succeeded' || before === 'failed')
        throw new ProblemError(
          'conflict',
          `Job "${id}" has ${before} already; there is nothing left to cancel.`,
        );
      return existing(id);
    },
  };
}
