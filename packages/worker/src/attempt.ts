/**
 * One attempt at a stage: claim, keep the lease, run, commit.
 *
 *   message ─▶ claim ─▶ running ─┬─ result ──────────▶ succeed
 *                │               ├─ error ───────────▶ fail (queued again, or failed)
 *            (stale: drop)       ├─ stop: timeout ───▶ fail
 *                                ├─ stop: shutdown, paused ──▶ release (costs no attempt)
 *                                └─ stop: cancelled, lost ─▶ nothing is written
 *
 * Every write carries the claim's fencing number; the database refuses the writes of an attempt that was replaced.
 */
import type { StageKind, StageMessage, StageResult } from '@rela/contracts';
import type { Claim, Database, SucceedOptions } from '@rela/database';
import { describeFailure, isRetryable, StageStopped } from './outcome.js';
import { ProgressMeter } from './progress.js';

/** Whose half-written artifacts are an attempt's: see ArtifactStore.ownedBy. All of a stage's can be discarded by its id. */
export const ownerOf = ({ stageId, fence }: Pick<Claim, 'stageId' | 'fence'>): string =>
  `${stageId}.${fence}`;

/** What a handler may use while it works. */
export interface AttemptContext {
  /** Aborted with a {@link StageStopped}. */
  signal: AbortSignal;
  progress(done: number, total: number, unit: string): void;
}

export type StageHandler = (claim: Claim, context: AttemptContext) => Promise<StageOutcome>;

export interface StageOutcome {
  result: StageResult;
  /** What became known besides the result, such as the manifest of a dataset. */
  facts?: SucceedOptions['facts'];
}

export interface AttemptOptions {
  database: Database;
  handlers: Partial<Record<StageKind, StageHandler>>;
  worker: string;
  leaseSeconds: number;
  maxAttempts: number;
  device: 'cpu' | 'gpu';
  log: WorkerLog;
}

export interface WorkerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Longest time between two heartbeats, so that a cancelled stage stops within two seconds. */
const HEARTBEAT_MS = 1000;
/** Node's timers hold no more, which is 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Runs the stage that `message` names to its end. Never throws; whatever happens is in the database or in the log. */
export async function attemptStage(
  options: AttemptOptions,
  message: StageMessage,
  shutdown: AbortSignal,
): Promise<void> {
  const { database, log, worker, leaseSeconds, device } = options;
  const claim = await database.whenAvailable(
    () => database.stages.claim({ ...message, worker, leaseSeconds, device }),
    { signal: shutdown },
  );
  if (!claim) {
    log.info({ ...message }, 'stale message dropped');
    return;
  }
  const about = {
    stageId: claim.stageId,
    kind: claim.input.kind,
    attempt: claim.attempt,
    runId: claim.runId,
  };
  if (claim.existing) {
    const { existing } = claim;
    await database.whenAvailable(() => database.stages.succeed(claim, existing, { reused: true }), {
      signal: shutdown,
    });
    log.info(about, 'result exists already');
    return;
  }
  const handler = options.handlers[claim.input.kind];
  if (!handler) throw new Error(`This worker has no handler for ${claim.input.kind} stages.`);

  const stop = new AbortController();
  const onShutdown = () => stop.abort(new StageStopped('shutdown'));
  if (shutdown.aborted) onShutdown();
  shutdown.addEventListener('abort', onShutdown, { once: true });
  const heart = keepAlive(options, claim, stop);
  const { attemptSeconds } = claim.limits;
  const timer =
    attemptSeconds === undefined
      ? undefined
      : setTimeout(
          () => stop.abort(new StageStopped('timeout')),
          Math.min(1000 * attemptSeconds, LONGEST_TIMER_MS),
        );
  log.info(about, 'started');
  try {
    const outcome = await handler(claim, { signal: stop.signal, progress: heart.progress });
    heart.pause();
    // The result is worth keeping even where the worker shuts down meanwhile: the signal is not passed on.
    const kept = await database.whenAvailable(() =>
      database.stages.succeed(claim, outcome.result, outcome.facts ? { facts: outcome.facts } : {}),
    );
    log.info(about, kept ? 'succeeded' : 'result refused: the stage was taken over or cancelled');
  } catch (error) {
    const reason = stop.signal.aborted ? stop.signal.reason : error;
    await endBadly(options, { claim, error: reason, about, shutdown });
  } finally {
    shutdown.removeEventListener('abort', onShutdown);
    clearTimeout(timer);
    await heart.stop();
  }
}

async function endBadly(
  { database, log, ...options }: AttemptOptions,
  { claim, error, about, shutdown }: { claim: Claim; error: unknown; about: object; shutdown: AbortSignal },
): Promise<void> {
  const maxAttempts = claim.limits.attempts ?? options.maxAttempts;
  if (error instanceof StageStopped && error.reason !== 'timeout') {
    log.info({ ...about, reason: error.reason }, 'stopped');
    // Who shuts down waits for nobody: the lease of a stage that could not be handed back runs out.
    if (error.reason === 'shutdown') await database.stages.release(claim);
    if (error.reason === 'paused')
      await database.whenAvailable(() => database.stages.release(claim), { signal: shutdown });
    // A cancelled attempt has ended: what waits for it to end may go on.
    if (error.reason === 'cancelled')
      await database.stages.fail(claim, { error: 'cancelled', retryable: false, maxAttempts });
    return;
  }
  const state = await database.whenAvailable(() =>
    database.stages.fail(claim, {
      error:
        error instanceof StageStopped
          ? `It took longer than the ${claim.limits.attemptSeconds} s that its job allows a try. Raise limits.attemptSeconds, or ask for less.`
          : describeFailure(error),
      retryable: isRetryable(error),
      maxAttempts,
    }),
  );
  log.error({ ...about, err: error, state }, 'failed');
}

/** Renews the lease once a second, carries the newest progress along, and stops the attempt where the answer says so. */
function keepAlive({ database, leaseSeconds, log }: AttemptOptions, claim: Claim, stop: AbortController) {
  const meter = new ProgressMeter();
  let latest: { done: number; total: number; unit: string } | null = null;
  let busy: Promise<void> | null = null;

  const beat = async () => {
    const progress = latest
      ? meter.report(latest.done, latest.total, latest.unit, performance.now())
      : undefined;
    try {
      const answer = await database.stages.heartbeat(claim, {
        leaseSeconds,
        ...(progress ? { progress } : {}),
      });
      if (answer !== 'ok' && !stop.signal.aborted) stop.abort(new StageStopped(answer));
    } catch (error) {
      // The work goes on without a database for as long as it can; the next beat tells whether the lease still holds.
      log.warn({ stageId: claim.stageId, err: error }, 'heartbeat failed');
    }
  };
  let quietUntil = 0;
  const timer = setInterval(() => {
    if (performance.now() < quietUntil) return;
    busy ??= beat().finally(() => {
      busy = null;
    });
  }, HEARTBEAT_MS);
  return {
    progress(done: number, total: number, unit: string) {
      latest = { done, total, unit };
    },
    /** While the result is kept, a beat would wait for the row that is being written: none for a third of the lease. */
    pause() {
      quietUntil = performance.now() + (1000 * leaseSeconds) / 3;
    },
    async stop() {
      clearInterval(timer);
      await busy;
    },
  };
}
