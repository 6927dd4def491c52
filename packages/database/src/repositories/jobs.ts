/** Jobs: accepted in one transaction with all that they need; cancelled, paused, sent again. Their state: state/job-state.ts. */
import {
  hasEnded,
  type Job,
  type JobPlan,
  type JobStatus,
  newId,
  type Page,
  ProblemError,
} from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import { appendEventsOf, lockJob } from '../state/events.js';
import { holdJobs, pauseJob, reopenJob, requestCancel, resumeJob, settleJob } from '../state/job-state.js';
import { summaryHolds } from '../state/job-summary.js';
import { reopenRuns } from '../state/run-state.js';
import { cancelStagesOfJob } from '../state/stage-cancellation.js';
import { queuePossibleOf, resumeStagesOfJob } from '../state/stage-portions.js';
import { pauseStagesOfJob, resetStages } from '../state/stage-state.js';
import { together } from '../together.js';
import { createJobSearch, type JobFilter } from './job-search.js';
import { readJobs } from './job-views.js';
import { type PageRequest, pageOf } from './paging.js';
import { type NewJob, writeJobs } from './plan-rows.js';
import { ownedBy, ownerOf, type TenantScope } from './scope.js';

/** Where a job comes from that nobody submitted. */
export interface JobOrigin {
  scheduleId: string;
  dueAt: Date;
}

/** Jobs that are looked up, or written down, in one go. */
const AT_ONCE = 50;
/** A plan of more stages is written down by itself. */
const LARGE_PLAN = 500;
/** Looks at jobs that may be under way side by side. */
const LOOKS = 2;

export function createJobs({ searching, transaction, direct, directly }: Connection, tenant: TenantScope) {
  const own = ownedBy(tenant);
  const search = createJobSearch(tenant);
  const look = together(
    async (ids: string[]) => {
      const found = await readJobs(direct, [...new Set(ids)], tenant);
      return ids.map((id) => found.get(id) ?? null);
    },
    { most: AT_ONCE, side: LOOKS },
  );
  const accept = together((jobs: NewJob[]) => directly((tx) => writeJobs(tx, jobs)), { most: AT_ONCE });

  async function get(id: string, within?: Transaction): Promise<Job | null> {
    return within ? ((await readJobs(within, [id], tenant)).get(id) ?? null) : look(id);
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
      await lockJob(tx, id);
      const standing = await tx.job.findFirst({
        where: { id, ...own },
        select: { status: true, cancelRequested: true },
      });
      if (standing) await change(tx, { ...standing, status: standing.status as JobStatus });
      return existing(id, tx);
    };
    return within ? work(within) : transaction(work);
  }

  const conflict = (id: string, state: string, what: string) =>
    new ProblemError('conflict', `Job "${id}" ${state}; ${what}.`);

  return {
    /** Writes down the whole plan and queues what can start, in one transaction: when it resolves, the job is accepted. */
    async create(plan: JobPlan, tx?: Transaction, origin?: JobOrigin): Promise<Job> {
      const job: NewJob = {
        id: newId('job'),
        tenantId: ownerOf(tenant),
        plan,
        ...(origin ? { origin } : {}),
      };
      if (!tx && plan.stages.length <= LARGE_PLAN) return accept(job);
      const [made] = tx ? await writeJobs(tx, [job]) : await directly((within) => writeJobs(within, [job]));
      return made!;
    },

    get: (id: string): Promise<Job | null> => get(id),

    /** Whether what was kept of an ended job, and is read of it since, is what its rows say. */
    summaryHolds: (id: string): Promise<boolean> => summaryHolds(direct, id, tenant),

    async list(page: PageRequest & JobFilter): Promise<Page<Job>> {
      const found = await search.newest(searching, page);
      const jobs = await readJobs(direct, found, tenant);
      return pageOf(
        found.map((id) => ({ id })),
        page.limit,
        ({ id }) => jobs.get(id)!,
      );
    },

    /**
     * Cancels what has not started at once and tells the rest by their heartbeats; the job is `cancelled` when nothing
     * of it runs any more. A job that was cancelled before is returned as it is.
     * @throws ProblemError `not-found` · `conflict` where the job has ended otherwise
     */
    cancel: (id: string, within?: Transaction): Promise<Job> =>
      changed(
        id,
        async (tx, { status, cancelRequested }) => {
          if (status === 'succeeded' || status === 'failed')
            throw conflict(id, `has ${status} already`, 'there is nothing left to cancel');
          if (hasEnded(status) || cancelRequested) return;
          await requestCancel(tx, id);
          await cancelStagesOfJob(tx, id);
          await settleJob(tx, id);
        },
        within,
      ),

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
     * Sends again what has failed or was cancelled, which goes on from its checkpoints; and, `from` a stage (or those of a kind), that and
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
            if (['adopt', 'appraise', 'choose'].includes(stage.kind))
              throw conflict(
                id,
                `has its plan from its ${stage.kind} stage`,
                'submit a new job to make that again',
              );
          }
          const again = await resetStages(tx, id, from);
          if (again.length === 0)
            throw conflict(
              id,
              `has ${status} and nothing of it failed or was cancelled`,
              'name a stage as `from` to make it and what builds on it again',
            );
          if (from !== null) {
            await forgetProgress(tx, again);
            // What it builds on may have been cancelled, and would be waited for without end.
            await resetStages(tx, id, null);
          }
          await reopenRuns(tx, id);
          await reopenJob(tx, id);
          await appendEventsOf(tx, await holdJobs(tx, [id]));
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
