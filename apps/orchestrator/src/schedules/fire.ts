/** Makes the jobs of schedules that are due. Several at once, here and elsewhere, are harmless: the database settles each time once. */
import { ProblemError } from '@rela/contracts';
import type { Database, DueSchedule, Settled } from '@rela/database';
import type { PlanDependencies } from '@rela/stages';
import type { Logger } from 'pino';
import type { Outages } from '../outages.js';
import { rest } from '../rounds.js';
import { nextStep } from './due.js';

type Planner = Pick<typeof import('@rela/stages'), 'planScheduledJob'> &
  Pick<PlanDependencies, 'readManifest'>;

/** @returns what gives the same planner each time: the manifests that it has read are those of the next firings, too */
export function lazyPlanner(store: PlanDependencies['store']): () => Promise<Planner> {
  const load = async () => {
    const { createManifests, planScheduledJob } = await import('@rela/stages');
    return { planScheduledJob, readManifest: createManifests(store) };
  };
  let planning: Promise<Planner> | null = null;
  return () => (planning ??= load());
}

export interface Firing {
  database: Pick<Database, 'of' | 'schedules'>;
  store: PlanDependencies['store'];
  /** What plans jobs, loaded with the first one: half as much memory again, which an orchestrator without schedules has no use for. */
  planner: () => Promise<Planner>;
  outages: Outages;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
  signal: AbortSignal;
}

/** A time that came this long ago and was not seen to: the queue lost its message, or nobody was there to take it. */
const OVERDUE_SECONDS = 10;
const AT_ONCE = 100;
/** The clock that sent a message may be ahead of the database's by as much. */
const EARLY_MS = 5000;

/** The job of the schedule as a plan, or why there can be none. @throws what says that a part is away: then the time is seen to later */
async function prepare(parts: Firing, schedule: DueSchedule): Promise<Settled> {
  const { database, store, planner, outages, log } = parts;
  try {
    const { planScheduledJob, readManifest } = await planner();
    const dependencies = { database: database.of(schedule.tenantId), store, readManifest };
    return { plan: await outages.ask('storage', () => planScheduledJob(dependencies, schedule)) };
  } catch (error) {
    if (outages.explains(error)) throw error;
    if (error instanceof ProblemError) return { outcome: 'failed', problem: error.toProblem() };
    log.error({ err: error, schedule: schedule.id }, 'the job of a schedule cannot be planned');
    const text = 'The job could not be planned. The log of the orchestrator says why.';
    return { outcome: 'failed', problem: new ProblemError('internal', text).toProblem() };
  }
}

/** Sees to every time of the schedule that has come. */
export async function fireDue(parts: Firing, scheduleId: string): Promise<void> {
  const { database, outages, log, signal } = parts;
  while (!signal.aborted) {
    const schedule = await outages.ask('database', () => database.schedules.due(scheduleId));
    if (!schedule) return;
    // By the clock of the database: one that is wrong here makes no job before its time.
    const early = schedule.nextDueAt.getTime() - schedule.now.getTime();
    const waits = early > 0 && early < EARLY_MS;
    if (waits) await rest(early, signal);
    const step = nextStep(schedule, waits ? schedule.nextDueAt : schedule.now);
    if (!step) return;
    const settled: Settled = step.makesJob ? await prepare(parts, schedule) : { outcome: 'missed' };
    const firing = await outages.ask('database', () => database.schedules.settle(schedule, step, settled));
    if (!firing) continue;
    const { outcome, jobId, dueAt, missed, problem } = firing;
    const what = { schedule: scheduleId, dueAt, outcome, jobId, missed, problem: problem?.detail };
    if (outcome === 'job') log.info(what, 'made a job of a schedule');
    else log.warn(what, 'made no job of a schedule that was due');
  }
}

/** Sees to schedules that the queue has said nothing of. @returns how many */
export async function fireOverdue(parts: Firing, seconds = OVERDUE_SECONDS): Promise<number> {
  const { database, outages, log } = parts;
  const ids = await outages.ask('database', () => database.schedules.overdue({ seconds, limit: AT_ONCE }));
  for (const id of ids) {
    try {
      await fireDue(parts, id);
    } catch (error) {
      if (outages.explains(error)) throw error;
      // One that breaks must not keep the others waiting.
      log.error({ err: error, schedule: id }, 'a schedule that is due cannot be seen to');
    }
  }
  return ids.length;
}
