/** The stages of a plan as rows: when a job is accepted, and when a stage has shown what the rest of it is. */
import { type Job, type JobPlan, newId } from '@rela/contracts';
import type { Statements, Transaction } from '../connection.js';
import { appendEventsOf } from '../state/events.js';
import { holdJobs, insertJobs } from '../state/job-state.js';
import { insertRuns } from '../state/run-state.js';
import { continueAt, QUEUED_AT_ONCE } from '../state/stage-portions.js';
import { insertStages, type NewStage, queueRows, queueStages, stageEvents } from '../state/stage-state.js';
import { readJobs } from './job-views.js';
import type { JobOrigin } from './jobs.js';
import { toJson } from './json.js';

/** Rows a statement: as JSON they are a kilobyte each. */
const ROWS_AT_ONCE = 5000;

function* chunks<T>(rows: T[]): Generator<T[]> {
  for (let start = 0; start < rows.length; start += ROWS_AT_ONCE)
    yield rows.slice(start, start + ROWS_AT_ONCE);
}

export interface NewJob {
  id: string;
  tenantId: string;
  plan: JobPlan;
  /** Of one that a schedule made. */
  origin?: JobOrigin;
}

/** Writes jobs down with all that they need, queues what can start, and tells of it. @returns the jobs as users see them, in the order given */
export async function writeJobs(tx: Statements, jobs: NewJob[]): Promise<Job[]> {
  const told = await insertJobs(
    tx,
    jobs.map(
      ({ id, tenantId, plan: { name, datasetId, priorId, reuse, labels, limits, priority }, origin }) => ({
        ...{ id, tenantId, name, datasetId, priorId, reuse, labels, priority },
        ...{ maxAttempts: limits.attempts ?? null, attemptSeconds: limits.attemptSeconds ?? null },
        ...{ scheduleId: origin?.scheduleId ?? null, dueAt: origin?.dueAt.toISOString() ?? null },
      }),
    ),
  );
  const runs = jobs.map(({ id: jobId, plan }) =>
    plan.runs.map((spec, position) => ({ id: newId('run'), jobId, position, name: spec.name, spec })),
  );
  told.push(...(await insertRuns(tx, runs.flat())));
  const waiting = jobs.filter(({ plan }) => (plan.waitsFor ?? []).length > 0);
  if (waiting.length > 0) {
    await insertDependencies(tx, waiting);
    told.push(
      ...(await holdJobs(
        tx,
        waiting.map(({ id }) => id),
      )),
    );
  }
  const rows = jobs.map(({ id: jobId, plan }, index) =>
    rowsOf(jobId, plan, {
      runs: runs[index]!.map(({ id }) => id),
      ...{ position: 0, existing: new Map() },
    }),
  );
  await insertRows(tx, {
    stages: rows.flatMap(({ stages }) => stages),
    dependencies: rows.flatMap(({ dependencies }) => dependencies),
  });
  const queued = await queueRows(
    tx,
    rows.flatMap(({ ready }) => ready),
  );
  await appendEventsOf(tx, [...told, ...stageEvents(queued)]);
  const ids = jobs.map(({ id }) => id);
  const made = await readJobs(tx, ids, null);
  return ids.map((id) => made.get(id)!);
}

/** What the jobs wait for. */
async function insertDependencies(tx: Statements, jobs: NewJob[]): Promise<void> {
  const rows = jobs.flatMap(({ id, plan }) =>
    (plan.waitsFor ?? []).map(({ jobId, runId }, position) => ({
      ...{ jobId: id, position, neededJobId: jobId, neededRunId: runId },
    })),
  );
  await tx.$queryRaw`
    INSERT INTO job_dependency (job_id, position, needed_job_id, needed_run_id)
    SELECT "jobId", position, "neededJobId", "neededRunId" FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      AS one ("jobId" text, position int, "neededJobId" text, "neededRunId" text)`;
}

interface NewDependency {
  stageId: string;
  dependencyId: string;
  position: number;
  needed: boolean;
}

interface Place {
  /** Ids of the runs, in the order of the plan. */
  runs: string[];
  /** Position of the first stage. */
  position: number;
  /** Ids of stages that exist, by the plan's `ref`. They get what the plan says and keep what they wait for. */
  existing: Map<string, string>;
}

interface Rows {
  stages: NewStage[];
  dependencies: NewDependency[];
  /** Of the new stages, those that wait for nothing. */
  ready: string[];
}

function rowsOf(jobId: string, plan: JobPlan, { runs, position, existing }: Place): Rows {
  const ids = new Map(plan.stages.map(({ ref }) => [ref, existing.get(ref) ?? newId('stg')]));
  const idOf = (ref: string): string => {
    const id = ids.get(ref);
    if (id === undefined) throw new Error(`The plan of a job has no stage "${ref}".`);
    return id;
  };
  const stages = plan.stages.map(({ ref, kind, runRef, resultKey, input }, index) => ({
    ...{ id: idOf(ref), jobId, datasetId: null, position: position + index, kind, resultKey, input },
    runId: runRef === null ? null : (runs[runRef] ?? null),
  }));
  const dependencies = plan.stages.flatMap(({ ref, dependsOn, after }) => {
    if (after.length === 0)
      return dependsOn.map((other, index) => ({
        ...{ stageId: idOf(ref), dependencyId: idOf(other), position: index, needed: true },
      }));
    const needed = new Set(dependsOn);
    return [...new Set([...dependsOn, ...after])].map((other, index) => ({
      ...{ stageId: idOf(ref), dependencyId: idOf(other), position: index, needed: needed.has(other) },
    }));
  });
  const ready = plan.stages
    .filter(({ ref, dependsOn, after }) => !existing.has(ref) && dependsOn.length + after.length === 0)
    .map(({ ref }) => idOf(ref));
  return { stages, dependencies, ready };
}

async function insertRows(tx: Statements, { stages, dependencies }: Omit<Rows, 'ready'>): Promise<void> {
  for (const rows of chunks(stages)) await insertStages(tx, rows);
  // Of a stage that existed, what it waits for in this plan may be what it waited for before.
  for (const rows of chunks(dependencies))
    await tx.$queryRaw`
      INSERT INTO stage_dependency (stage_id, dependency_id, position, needed)
      SELECT "stageId", "dependencyId", position, needed FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        AS one ("stageId" text, "dependencyId" text, position int, needed boolean)
      ON CONFLICT DO NOTHING`;
}

/** Tells the stage that makes a prior of another job's model which model that is. */
export async function giveModel(tx: Transaction, jobId: string, model: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE stage SET input = jsonb_set(input, '{model}', to_jsonb(${model}::text))
    WHERE job_id = ${jobId} AND kind = 'adopt'`;
}

/** Puts `plan`, which has the job's runs, behind the stage at `position`: new stages, and what those of the runs now wait for. */
export async function continuePlan(
  tx: Transaction,
  jobId: string,
  position: number,
  plan: JobPlan,
): Promise<void> {
  const runs = await tx.run.findMany({
    where: { jobId },
    orderBy: { position: 'asc' },
    select: {
      id: true,
      stages: { select: { id: true, kind: true }, orderBy: { position: 'asc' } },
    },
  });
  const existing = new Map<string, string>();
  for (const { ref, kind, runRef } of plan.stages) {
    if (runRef === null) continue;
    // A run may have several of a kind; they come in the same order.
    const taken = new Set(existing.values());
    const found = runs[runRef]?.stages.find(({ id, kind: of }) => of === kind && !taken.has(id));
    if (found) existing.set(ref, found.id);
  }
  await tx.job.update({ where: { id: jobId }, data: { priorId: plan.priorId } });
  const place = { runs: runs.map(({ id }) => id), position: position + 1, existing };
  const { stages, dependencies, ready } = rowsOf(jobId, plan, place);
  const known = new Set(existing.values());
  for (const { id, position: moved, resultKey, input } of stages.filter((stage) => known.has(stage.id)))
    await tx.stage.update({ where: { id }, data: { position: moved, resultKey, input: toJson(input) } });
  await insertRows(tx, { stages: stages.filter(({ id }) => !known.has(id)), dependencies });
  const [first, rest] = [ready.slice(0, QUEUED_AT_ONCE), ready.slice(QUEUED_AT_ONCE)];
  await queueStages(tx, first);
  const next = stages.find(({ id }) => id === rest[0]);
  if (next) await continueAt(tx, jobId, next.position);
}
