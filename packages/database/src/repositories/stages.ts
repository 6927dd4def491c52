/** Stages as workers use them: claim, keep, end. Their state: state/stage-state.ts. */
import type {
  DatasetManifest,
  JobPlan,
  JobStage,
  Page,
  Progress,
  StageKind,
  StageResult,
} from '@rela/contracts';
import { FILE_TYPES } from '@rela/contracts';
import type { Connection, Statements, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { finishDataset, moveDataset, startDatasets } from '../state/dataset-state.js';
import { appendEvents, appendEventsOf, lockJobOf } from '../state/events.js';
import { settleJob, settleJobs, startJobs } from '../state/job-state.js';
import { assembleResult, failRuns, finishRun, startRuns } from '../state/run-state.js';
import {
  type Attempt,
  type ClaimRequest,
  cancelAfterFailure,
  claimStages,
  type Ending,
  endCancelledStage,
  failStage,
  queueDependents,
  queuePossibleOf,
  readInput,
  readStage,
  requeueStage,
  type StageRow,
  stageEvents,
  succeedStages,
} from '../state/stage-state.js';
import { type Grant, grantToOwners, recordArtifact } from './artifacts.js';
import { type Claim, describeClaims, limitsOfStage } from './claim.js';
import { foreignCursor, type PageRequest, pageOf } from './paging.js';
import { continuePlan } from './plan-rows.js';
import { registerPrior } from './priors.js';
import { ofOwnJob, type TenantScope } from './scope.js';
import { type Stage, toJobStage, toStage } from './stage-views.js';
import { type Jobs, underLocks } from './under-locks.js';

export interface SucceedOptions {
  /** The result is an earlier one of equal key. */
  reused?: boolean;
  /** What became known besides the result: `ingest` has to give the manifest, `choose` and `adopt` the plan of the job with its prior. */
  facts?: { manifest: DatasetManifest } | { plan: JobPlan };
}

export interface FailOptions {
  error: string;
  retryable: boolean;
  maxAttempts: number;
}

/** Claims, or ends of stages, in one transaction. */
const AT_ONCE = 200;
/** Kinds whose results change nothing but what waits for them: the end of many is one piece of work. */
const PLAIN: ReadonlySet<StageKind> = new Set(['embed', 'join', 'reduce'] as const);

const LONGEST_BACKOFF_SECONDS = 60;
const LOST_AT_ONCE = 100;

function backoffSeconds(failures: number): number {
  return Math.min(LONGEST_BACKOFF_SECONDS, 2 ** failures);
}

async function warn(tx: Transaction, stage: StageRow, prior: string, flags: string[]): Promise<void> {
  if (!stage.jobId) return;
  await appendEvents(
    tx,
    stage.jobId,
    flags.map((flag) => ({ type: 'warning', stageId: stage.id, text: `Prior "${prior}": ${flag}.` })),
  );
}

/** What a result means for the rows around the stage. */
async function spreadResult(
  tx: Transaction,
  stage: StageRow,
  result: StageResult,
  facts: SucceedOptions['facts'],
): Promise<void> {
  const { runId, datasetId } = stage;
  switch (result.kind) {
    case 'ingest':
      if (!facts || !('manifest' in facts))
        throw new Error('An ingest stage succeeds with the manifest of its dataset; none was given.');
      if (datasetId) await finishDataset(tx, datasetId, result, facts.manifest);
      return;
    case 'train': {
      const { model: digest, modelBytes: bytes, width } = result;
      // A reused model stays the model of the run that trained it.
      await tx.model.upsert({ where: { digest }, create: { digest, runId, bytes, width }, update: {} });
      for (const { model, modelBytes } of [result.last, result.best].filter((kept) => kept !== undefined))
        await tx.model.upsert({
          where: { digest: model },
          create: { digest: model, runId, bytes: modelBytes, width },
          update: {},
        });
      for (const kept of [result, result.last, result.best])
        if (kept)
          await recordArtifact(tx, {
            ...{ digest: kept.weights, bytes: kept.weightsBytes, mediaType: FILE_TYPES.safetensors },
          });
      if (runId) await assembleResult(tx, runId);
      return;
    }
    case 'evaluate':
      for (const files of result.features ?? []) {
        const mediaType = FILE_TYPES[files.format ?? 'npy'];
        await recordArtifact(tx, { digest: files.features, bytes: files.featuresBytes, mediaType });
        if (files.format !== 'parquet')
          await recordArtifact(tx, { digest: files.labels, bytes: files.labelsBytes, mediaType });
      }
      if (runId) await assembleResult(tx, runId);
      return;
    case 'appraise': {
      const input = await readInput(tx, stage.id);
      // Of several candidates only the flags of the chosen one matter.
      if (input.kind === 'appraise' && input.refuse) await warn(tx, stage, result.name, result.flags);
      return;
    }
    case 'choose': {
      if (!facts || !('plan' in facts))
        throw new Error('A choose stage succeeds with the plan of its job; none was given.');
      const [taken] = result.candidates;
      await warn(tx, stage, result.name, taken?.flags ?? []);
      // Of a cancelled job nothing waits for it any more.
      if (stage.jobId && !stage.cancelRequested)
        await continuePlan(tx, stage.jobId, stage.position, facts.plan);
      return;
    }
    case 'adopt': {
      if (!facts || !('plan' in facts))
        throw new Error('An adopt stage succeeds with the plan of its job; none was given.');
      const { prior, modelBytes: bytes } = result;
      await recordArtifact(tx, { digest: prior.model, bytes, mediaType: FILE_TYPES.onnx });
      if (!stage.jobId) return;
      const { tenantId } = await tx.job.findUniqueOrThrow({
        where: { id: stage.jobId },
        select: { tenantId: true },
      });
      const priorId = await registerPrior(tx, tenantId, prior);
      if (!stage.cancelRequested)
        await continuePlan(tx, stage.jobId, stage.position, { ...facts.plan, priorId });
      return;
    }
    case 'embed':
    case 'join':
    case 'reduce':
      return;
    default:
      result satisfies never;
  }
}

/** The stage has failed for good: so have the runs that need it, and the others go on. */
async function giveUp(
  tx: Transaction,
  stage: StageRow,
  { error, isDead }: { error: string; isDead: boolean },
): Promise<void> {
  await failStage(tx, { stageId: stage.id, fence: stage.fence }, { error, isDead });
  if (stage.datasetId) await moveDataset(tx, stage.datasetId, 'failed', error);
  const lost = await cancelAfterFailure(tx, stage);
  const own = lost.filter((run) => run === stage.runId);
  await failRuns(tx, own, error);
  await failRuns(
    tx,
    lost.filter((run) => run !== stage.runId),
    `Its ${stage.kind} stage failed: ${error}`,
  );
  if (stage.jobId) {
    await queuePossibleOf(tx, stage.jobId);
    await settleJob(tx, stage.jobId);
  }
}

async function tryAgain(
  tx: Transaction,
  stage: StageRow,
  how: Parameters<typeof requeueStage>[2],
): Promise<void> {
  await requeueStage(tx, { stageId: stage.id, fence: stage.fence }, how);
  if (stage.datasetId) await moveDataset(tx, stage.datasetId, 'queued');
}

const messageOf = ({ stageId, dispatch }: Pick<ClaimRequest, 'stageId' | 'dispatch'>) =>
  `${stageId}.${dispatch}`;

/** queued → running, for each whose message is the newest. @returns null in the places of the others */
async function claimAll(tx: Statements, requests: ClaimRequest[], jobs: Jobs): Promise<(Claim | null)[]> {
  // Of several who ask by the same message one may have the stage.
  const first = new Map(requests.toReversed().map((request) => [messageOf(request), request]));
  const stages = await claimStages(tx, [...first.values()]);
  if (stages.length === 0) return requests.map(() => null);
  const begun = new Set(stages.map(({ jobId }) => jobId).filter((id) => id !== null));
  await appendEventsOf(tx, [
    ...(await startJobs(
      tx,
      [...begun].filter((id) => jobs.get(id)?.status === 'queued'),
    )),
    ...(await startRuns(tx, [...new Set(stages.map(({ runId }) => runId).filter((id) => id !== null))])),
    ...stageEvents(stages),
  ]);
  await startDatasets(
    tx,
    stages.map(({ datasetId }) => datasetId).filter((id) => id !== null),
  );
  const claims = await describeClaims(tx, stages, jobs);
  const byStage = new Map(claims.map((claim) => [claim.stageId, claim]));
  const dispatched = new Set(stages.map(({ id: stageId, dispatch }) => messageOf({ stageId, dispatch })));
  return requests.map((request) =>
    first.get(messageOf(request)) === request && dispatched.has(messageOf(request))
      ? (byStage.get(request.stageId) ?? null)
      : null,
  );
}

/** running → succeeded, and on with what waited for it. @returns false in the places of those that another attempt has */
async function endAll(tx: Statements, endings: Ending[]): Promise<boolean[]> {
  const stages = await succeedStages(tx, endings);
  // By stage and fence: an attempt that was replaced may tell of its end together with the one that replaced it.
  const ended = new Map(stages.map(({ id, fence }) => [id, fence]));
  const answers: boolean[] = [];
  for (const { stageId, fence, result } of endings) {
    const own = ended.get(stageId) === fence;
    const seen = own || ended.has(stageId) ? null : await readStage(tx, stageId);
    answers.push(own || (seen?.status === 'succeeded' && seen.fence === fence));
    if (seen && seen.status !== 'succeeded') assertKind(seen, result);
  }
  if (stages.length === 0) return answers;
  await appendEventsOf(tx, stageEvents(stages));
  const results = new Map(endings.map(({ stageId, result }) => [stageId, result]));
  await grantToOwners(
    tx,
    stages.map((stage) => ({ ...stage, grants: grantsOf(results.get(stage.id)!) })),
  );
  await queueDependents(tx, [...ended.keys()]);
  await settleJobs(tx, [...new Set(stages.map(({ jobId }) => jobId).filter((id) => id !== null))]);
  return answers;
}

/** What workers ask for all the time. A process asks for both in one transaction: it would wait for its own locks otherwise. */
type Move = ({ ask: 'claim' } & ClaimRequest) | ({ ask: 'end' } & Ending);

async function moveAll(tx: Statements, moves: Move[], jobs: Jobs): Promise<(Claim | boolean | null)[]> {
  const endings = moves.filter((move) => move.ask === 'end');
  const requests = moves.filter((move) => move.ask === 'claim');
  const ended = endings.length > 0 ? await endAll(tx, endings) : [];
  const claimed = requests.length > 0 ? await claimAll(tx, requests, jobs) : [];
  const answers = new Map<Move, Claim | boolean | null>([
    ...endings.map((move, index) => [move, ended[index]!] as const),
    ...requests.map((move, index) => [move, claimed[index] ?? null] as const),
  ]);
  return moves.map((move) => answers.get(move) ?? null);
}

/** @throws Error where a stage was given the result of another kind */
function assertKind({ id, kind }: StageRow, result: StageResult): void {
  if (kind !== result.kind)
    throw new Error(`Stage ${id} is of kind ${kind}; it was given a result of ${result.kind}.`);
}

export function createStages(
  { prisma, transaction, directly }: Connection,
  defaults: { maxAttempts: number },
  tenant: TenantScope,
) {
  const own = ofOwnJob(tenant);

  /** Runs `work` on the attempt's stage under its job's lock. @returns null where there is no such stage */
  async function onAttempt<T>(
    { stageId }: { stageId: string },
    work: (tx: Transaction, stage: StageRow) => Promise<T>,
  ): Promise<T | null> {
    return transaction(async (tx) => {
      await lockJobOf(tx, stageId);
      const stage = await readStage(tx, stageId);
      return stage && work(tx, stage);
    });
  }

  const move = underLocks<Move, Claim | boolean | null>(
    { directly },
    { work: moveAll, nothing: null, most: AT_ONCE },
  );

  async function endCancelled(tx: Transaction, stage: StageRow): Promise<void> {
    await endCancelledStage(tx, { stageId: stage.id, fence: stage.fence });
    if (stage.jobId) await settleJob(tx, stage.jobId);
  }

  return {
    /**
     * queued → running for one worker. @returns null where the message is stale: done, cancelled, taken, or overtaken
     * by a newer message
     */
    claim: async (request: ClaimRequest): Promise<Claim | null> =>
      (await move({ ask: 'claim', ...request })) as Claim | null,

    /** Renews the lease. All but `ok` tell the worker to stop; after `lost` nothing it writes counts, at `paused` it is to hand the stage back. */
    async heartbeat(
      claim: Attempt,
      beat: { leaseSeconds: number; progress?: Progress },
    ): Promise<'ok' | 'cancelled' | 'paused' | 'lost'> {
      const progress = beat.progress
        ? Prisma.sql`${JSON.stringify(beat.progress)}::jsonb`
        : Prisma.sql`progress`;
      const rows = await prisma.$queryRaw<{ cancelRequested: boolean; paused: boolean }[]>`
        UPDATE stage SET progress = ${progress},
          lease_until = clock_timestamp() + make_interval(secs => ${beat.leaseSeconds}::float8)
        WHERE id = ${claim.stageId} AND fence = ${claim.fence} AND status = 'running'
        RETURNING cancel_requested AS "cancelRequested",
          EXISTS (SELECT 1 FROM job WHERE job.id = stage.job_id AND job.status = 'paused') AS paused`;
      if (!rows[0]) return 'lost';
      if (rows[0].cancelRequested) return 'cancelled';
      return rows[0].paused ? 'paused' : 'ok';
    },

    /**
     * Stores the result and moves everything along that waited for it. May be called again with the same claim.
     * @returns false where another attempt has the stage, or it was cancelled: the result counts for nothing
     */
    async succeed(claim: Attempt, result: StageResult, options: SucceedOptions = {}): Promise<boolean> {
      const { reused = false, facts } = options;
      const { stageId, fence } = claim;
      const ending = { stageId, fence, result, reused };
      if (PLAIN.has(result.kind)) return (await move({ ask: 'end', ...ending })) === true;
      const kept = await onAttempt(claim, async (tx, seen) => {
        if (seen.status === 'succeeded' && seen.fence === claim.fence) return true;
        assertKind(seen, result);
        const [stage] = await succeedStages(tx, [ending]);
        if (!stage) return false;
        await appendEventsOf(tx, stageEvents([stage]));
        await grantToOwners(tx, [{ ...stage, grants: grantsOf(result) }]);
        await spreadResult(tx, stage, result, facts);
        await queueDependents(tx, [stage.id]);
        if (stage.runId) await finishRun(tx, stage.runId);
        if (stage.jobId) await settleJob(tx, stage.jobId);
        return true;
      });
      return kept ?? false;
    },

    /**
     * Ends an attempt that went wrong: queued again after a pause, or failed where another try is pointless or was
     * made often enough. May be called again with the same claim.
     */
    async fail(claim: Attempt, options: FailOptions): Promise<'requeued' | 'failed' | 'cancelled' | 'lost'> {
      const { error, retryable, maxAttempts } = options;
      const state = await onAttempt(claim, async (tx, stage) => {
        if (stage.fence !== claim.fence) return 'lost';
        if (stage.status === 'failed') return 'failed';
        if (stage.status === 'cancelled') return 'cancelled';
        if (stage.status === 'queued' || stage.status === 'paused') return 'requeued';
        if (stage.status !== 'running') return 'lost';
        if (stage.cancelRequested) {
          await endCancelled(tx, stage);
          return 'cancelled';
        }
        if (retryable && stage.failures + 1 < maxAttempts) {
          await tryAgain(tx, stage, { error, delaySeconds: backoffSeconds(stage.failures), counted: true });
          return 'requeued';
        }
        await giveUp(tx, stage, { error, isDead: retryable });
        return 'failed';
      });
      return state ?? 'lost';
    },

    /** Hands the stage back at a shutdown or a pause; the attempt does not count. */
    async release(claim: Attempt): Promise<void> {
      await onAttempt(claim, async (tx, stage) => {
        if (stage.fence !== claim.fence || stage.status !== 'running') return;
        if (stage.cancelRequested) await endCancelled(tx, stage);
        else await tryAgain(tx, stage, { error: null, delaySeconds: 0, counted: false });
      });
    },

    /** Takes back the stages whose lease has run out. @returns how many */
    async requeueLost(options: { maxAttempts?: number } = {}): Promise<number> {
      const maxAttempts = options.maxAttempts ?? defaults.maxAttempts;
      const lost = await prisma.$queryRaw<{ stageId: string }[]>`
        SELECT id AS "stageId" FROM stage WHERE status = 'running' AND lease_until < statement_timestamp()
        ORDER BY lease_until LIMIT ${LOST_AT_ONCE}`;
      let count = 0;
      for (const { stageId } of lost) {
        const taken = await onAttempt({ stageId }, async (tx, stage) => {
          if (!(await leaseHasRunOut(tx, stageId))) return false;
          const most = (await limitsOfStage(tx, stage)).attempts ?? maxAttempts;
          const error = `Its worker was lost: no sign of life before the lease ran out (attempt ${stage.attempt}).`;
          if (stage.cancelRequested) await endCancelled(tx, stage);
          else if (stage.failures + 1 >= most) await giveUp(tx, stage, { error, isDead: true });
          else await tryAgain(tx, stage, { error, delaySeconds: 0, counted: true });
          return true;
        });
        if (taken) count++;
      }
      return count;
    },

    async get(id: string): Promise<Stage | null> {
      const row = await prisma.stage.findUnique({ where: { id } });
      return row && toStage(row);
    },

    /** Those of a job in the order of the plan; the cursor is the id of the last one of the page before. */
    async page(jobId: string, { limit, cursor }: PageRequest): Promise<Page<JobStage>> {
      const last = cursor
        ? await prisma.stage.findFirst({ where: { id: cursor, jobId, ...own }, select: { position: true } })
        : { position: -1 };
      if (!last) throw foreignCursor();
      const rows = await prisma.stage.findMany({
        where: { jobId, position: { gt: last.position }, ...own },
        orderBy: { position: 'asc' },
        take: limit + 1,
        omit: { input: true, result: true },
      });
      return pageOf(rows, limit, toJobStage);
    },

    /** In the order of the plan. */
    async listByJob(jobId: string): Promise<Stage[]> {
      const rows = await prisma.stage.findMany({ where: { jobId }, orderBy: { position: 'asc' } });
      return rows.map(toStage);
    },
  };
}

/** What its tenant may read of a result. What stages write for each other alone is nobody's to read. */
function grantsOf(result: StageResult): Grant[] {
  switch (result.kind) {
    case 'ingest':
      return [{ digest: result.manifest, bytes: result.bytes, isList: true }];
    case 'reduce':
      return [{ digest: result.targets, isList: true }];
    case 'train':
      return [result, result.last, result.best]
        .filter((kept) => kept !== undefined)
        .flatMap(({ model, modelBytes, weights, weightsBytes }) => [
          { digest: model, bytes: modelBytes },
          { digest: weights, bytes: weightsBytes },
        ]);
    case 'evaluate':
      return (result.features ?? []).flatMap(({ features, featuresBytes, ...files }) => [
        { digest: features, bytes: featuresBytes },
        ...(files.format === 'parquet' ? [] : [{ digest: files.labels, bytes: files.labelsBytes }]),
      ]);
    case 'adopt':
      return [{ digest: result.prior.model, bytes: result.modelBytes }];
    case 'embed':
    case 'join':
    case 'appraise':
    case 'choose':
      return [];
    default:
      return result satisfies never;
  }
}

/** Locks the row too: from here to the end of the transaction no heartbeat can renew the lease. */
async function leaseHasRunOut(tx: Transaction, stageId: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 AS one FROM stage
    WHERE id = ${stageId} AND status = 'running' AND lease_until < clock_timestamp() FOR NO KEY UPDATE`;
  return rows.length > 0;
}
