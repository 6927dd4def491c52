/** The stages of a plan as rows: when a job is accepted, and when a stage has shown what the rest of it is. */
import { type JobPlan, newId } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import { insertStages, queueStages } from '../state/stage-state.js';
import { toJson } from './json.js';

/** Rows a statement: PostgreSQL takes 65,535 parameters at most. */
const ROWS_AT_ONCE = 2000;

function* chunks<T>(rows: T[]): Generator<T[]> {
  for (let start = 0; start < rows.length; start += ROWS_AT_ONCE)
    yield rows.slice(start, start + ROWS_AT_ONCE);
}

interface Place {
  /** Ids of the runs, in the order of the plan. */
  runs: string[];
  /** Position of the first stage. */
  position: number;
  /** Ids of stages that exist, by the plan's `ref`. They get what the plan says and keep what they wait for. */
  existing: Map<string, string>;
}

/** Writes the stages and queues those that wait for nothing. */
export async function writeStages(
  tx: Transaction,
  jobId: string,
  plan: JobPlan,
  { runs, position, existing }: Place,
): Promise<void> {
  const ids = new Map(plan.stages.map(({ ref }) => [ref, existing.get(ref) ?? newId('stg')]));
  const idOf = (ref: string): string => {
    const id = ids.get(ref);
    if (id === undefined) throw new Error(`The plan of a job has no stage "${ref}".`);
    return id;
  };
  const stages = plan.stages.map(({ ref, kind, runRef, resultKey, input }, index) => ({
    ...{ id: idOf(ref), jobId, position: position + index, kind, resultKey, input: toJson(input) },
    runId: runRef === null ? null : (runs[runRef] ?? null),
  }));
  const known = new Set(existing.values());
  for (const { id, position: moved, resultKey, input } of stages.filter((stage) => known.has(stage.id)))
    await tx.stage.update({ where: { id }, data: { position: moved, resultKey, input } });
  for (const rows of chunks(stages.filter(({ id }) => !known.has(id)))) await insertStages(tx, rows);
  const dependencies = plan.stages.flatMap(({ ref, dependsOn, after }) => {
    const needed = new Set(dependsOn);
    return [...new Set([...dependsOn, ...after])].map((other, index) => ({
      ...{ stageId: idOf(ref), dependencyId: idOf(other), position: index, needed: needed.has(other) },
    }));
  });
  // Of a stage that existed, what it waits for in this plan may be what it waited for before.
  for (const rows of chunks(dependencies))
    await tx.stageDependency.createMany({ data: rows, skipDuplicates: true });
  await queueStages(
    tx,
    plan.stages
      .filter(({ ref, dependsOn, after }) => !existing.has(ref) && dependsOn.length + after.length === 0)
      .map(({ ref }) => idOf(ref)),
  );
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
  await writeStages(tx, jobId, plan, { runs: runs.map(({ id }) => id), position: position + 1, existing });
}
