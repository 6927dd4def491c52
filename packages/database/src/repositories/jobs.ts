/** Jobs: accepted in one transaction with all that they need; cancelled, paused, sent again. Their state: state/job-state.ts. */
import {
  hasEnded,
  type Job,
  type JobPlan,
  type JobStatus,
  newId,
  type Page,
  ProblemError,
  type RunStatus,
} from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import type { Prisma } from '../generated/client.js';
import { lockJob } from '../state/events.js';
import { insertJob, pauseJob, reopenJob, requestCancel, resumeJob, settleJob } from '../state/job-state.js';
import { insertRuns, reopenRuns } from '../state/run-state.js';
import {
  cancelStagesOfJob,
  pauseStagesOfJob,
  queuePossibleOf,
  resetStages,
  resumeStagesOfJob,
} from '../state/stage-state.js';
import { limitsOf } from './claim.js';
import { createJobSearch, type JobFilter } from './job-search.js';
import { fromJson, toJson } from './json.js';
import { type PageRequest, pageOf } from './paging.js';
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

async function writePlan(tx: Transaction, jobId: string, plan: JobPlan): Promise<void> {
  const { name, datasetId, priorId, reuse, labels, limits } = plan;
  const { attempts: maxAttempts, attemptSeconds } = limits;
  await insertJob(tx, {
    ...{ id: jobId, name, datasetId, priorId, reuse, labels: toJson(labels) },
    ...{ maxAttempts, attemptSeconds },
  });
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

/** @param tenant whose jobs; null: everybody's */
export function createJobs({ prisma, transaction }: Connection, tenant: string | null) {
  const search = createJobSearch(tenant);

  async function get(id: string, within: Transaction = prisma): Promise<Job | null> {
    const row = await within.job.findUnique({ where: { id }, ...WITH_RUNS });
    if (!row) return null;
    return (await join(within, [row]))[0]!;
  }

  async function existing(id: string, within?: Transaction): Promise<Job> {
    const job = await get(id, within);
    if (job) return job;
    throw new ProblemError('not-found', `There is no job "${id}". GET /v1/jobs lists them.`);
  }

  /** Changes the job under its lock and returns it as it is then. @throws ProblemError `not-found`, and what `change` throws */
  async function changed(
    id: string,
    change: (tx: Transaction, standing: { status: JobStatus; cancelRequested: boolean }) => Promise<void>,
    within?: Transaction,
  ): Promise<Job> {
    const work = async (tx: Transaction) => {
      if (await lockJob(tx, id)) {
        const { status, cancelRequested } = await tx.job.findUniqueOrThrow({ where: { id } });
        await change(tx, { status: status as JobStatus, cancelRequested });
      }
      return existing(id, tx);
    };
    return within ? work(within) : transaction(work);
  }

  const conflict = (id: string, state: string, what: string) =>
    new ProblemError('conflict', `Job "${id}" ${state}; ${what}.`);

  return {
    /** Writes down the whole plan and queues what can start, in one transaction: when it resolves, the job is accepted. */
    async create(plan: JobPlan, tx?: Transaction): Promise<Job> {
      const id = newId('job');
      const write = async (within: Transaction) => {
        await writePlan(within, id, plan);
        return existing(id, within);
      };
      return tx ? write(tx) : transaction(write);
    },

    get: (id: string): Promise<Job | null> => get(id),

    async list(page: PageRequest & JobFilter): Promise<Page<Job>> {
      const rows = await prisma.job.findMany({
        where: { id: { in: await search.newest(prisma, page) } },
        orderBy: { id: 'desc' },
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
    cancel: (id: string): Promise<Job> =>
      changed(id, async (tx, { status, cancelRequested }) => {
        if (status === 'succeeded' || status === 'failed')
          throw conflict(id, `has ${status} already`, 'there is nothing left to cancel');
        if (hasEnded(status) || cancelRequested) return;
        await requestCancel(tx, id);
        await cancelStagesOfJob(tx, id);
        await settleJob(tx, id);
      }),

    /**
     * Nothing of the job starts any more; what runs is told by its heartbeat, keeps a checkpoint and stops. Pausing again changes nothing.
     * @throws ProblemError `not-found` · `conflict` where the job has ended, or is being cancelled
     */
    pause: (id: string): Promise<Job> =>
      changed(id, async (tx, { status, cancelRequested }) => {
        if (hasEnded(status)) throw conflict(id, `is ${status} already`, 'there is nothing left to pause');
        if (cancelRequested) throw conflict(id, 'is being cancelled', 'what runs is about to stop');
        if (status === 'paused') return;
        await pauseJob(tx, id);
        await pauseStagesOfJob(tx, id);
      }),

    /**
     * A paused job goes on from its checkpoints. One that is not paused and has not ended is returned as it is.
     * @throws ProblemError `not-found` · `conflict` where the job has ended
     */
    resume: (id: string): Promise<Job> =>
      changed(id, async (tx, { status }) => {
        if (hasEnded(status))
          throw conflict(id, `is ${status} already`, `POST /v1/jobs/${id}/retry makes stages of it again`);
        if (status !== 'paused') return;
        await resumeJob(tx, id);
        await resumeStagesOfJob(tx, id);
      }),

    /**
     * Sends again what has failed or was cancelled, which goes on from its checkpoints; or, `from` a stage (or those of a kind), that and
     * all that builds on it, from the start and without earlier results.
     * @throws ProblemError `not-found` · `conflict` where the job has not ended, or has nothing to send again
     */
    retry: (
      id: string,
      { from = null }: { from?: string | null | undefined } = {},
      within?: Transaction,
    ): Promise<Job> =>
      changed(
        id,
        async (tx, { status }) => {
          if (!hasEnded(status)) throw conflict(id, `is ${status}`, 'it can be sent again when it has ended');
          if (from !== null) {
            const [stage] = await tx.stage.findMany({
              where: { jobId: id, OR: [{ id: from }, { kind: from }] },
              select: { kind: true },
              take: 1,
            });
            if (!stage)
              throw new ProblemError(
                'not-found',
                `Job "${id}" has no stage "${from}". GET /v1/jobs/${id}/stages lists them.`,
              );
            if (stage.kind === 'appraise' || stage.kind === 'choose')
              throw conflict(
                id,
                `has its plan from its ${stage.kind} stage`,
                'submit a new job to choose again',
              );
          }
          const again = await resetStages(tx, id, from);
          if (again.length === 0)
            throw conflict(
              id,
              `has ${status} and nothing of it failed or was cancelled`,
              'name a stage as `from` to make it and what builds on it again',
            );
          if (from !== null) await forgetProgress(tx, again);
          await reopenRuns(tx, id);
          await reopenJob(tx, id);
          await queuePossibleOf(tx, id);
        },
        within,
      ),
  };
}

/** Of stages that start over: their checkpoints, and the metrics of their runs. */
async function forgetProgress(tx: Transaction, stages: { id: string; kind: string; runId: string | null }[]) {
  const trainings = stages.filter(({ kind }) => kind === 'train');
  await tx.checkpoint.deleteMany({ where: { stageId: { in: trainings.map(({ id }) => id) } } });
  const runs = trainings.flatMap(({ runId }) => (runId === null ? [] : [runId]));
  await tx.runMetric.deleteMany({ where: { runId: { in: runs } } });
}
