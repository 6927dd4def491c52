/** Looks up what the runs of a job start from: finished runs that they go on with, and first weights. */
import {
  type DatasetManifest,
  fieldName,
  type JobRequest,
  ProblemError,
  type RunSpec,
} from '@rela/contracts';
import { viewSize } from '../plan-widths.js';
import type { EarlierRun, RunStart } from '../run-start.js';
import { differenceOfWeights } from '../weights-file.js';
import type { PlanDependencies } from './catalogue.js';

/** @throws ProblemError `invalid-request` naming the field, for runs and files that are not there or not to be read */
export async function findStarts(
  dependencies: PlanDependencies,
  request: JobRequest,
  manifest: DatasetManifest,
): Promise<Map<number, RunStart>> {
  const starts = new Map<number, RunStart>();
  for (const [index, run] of request.runs.entries()) {
    const at = (...path: string[]) => fieldName(['runs', index, ...path]);
    if (run.continueFrom === undefined && run.init === undefined) continue;
    starts.set(index, {
      ...(run.continueFrom === undefined
        ? {}
        : { continueFrom: await findTraining(dependencies, run.continueFrom, at('continueFrom')) }),
      ...(run.init ? { init: await findWeights(dependencies, run, manifest, at) } : {}),
    });
  }
  return starts;
}

function refusal(field: string, message: string, cause?: unknown): ProblemError {
  return new ProblemError(
    'invalid-request',
    `The job cannot run. ${field}: ${message}.`,
    [{ field, message }],
    cause === undefined ? undefined : { cause },
  );
}

async function findTraining(
  { database, store }: PlanDependencies,
  id: string,
  field: string,
): Promise<EarlierRun> {
  const found = await database.runs.training(id);
  if (!found) throw refusal(field, `there is no run "${id}"; GET /v1/jobs/{id} lists the runs of a job`);
  // What is about to be named is kept, though nothing else may name it any more.
  for (const digest of [found.result?.weights, found.result?.checkpoint?.digest])
    if (digest) await store.touch(digest);
  return found;
}

async function findWeights(
  dependencies: PlanDependencies,
  { init, ...run }: RunSpec,
  manifest: DatasetManifest,
  at: (...path: string[]) => string,
): Promise<RunStart['init']> {
  const field = init?.run === undefined ? at('init', 'artifact') : at('init', 'run');
  const weights = init?.run === undefined ? init?.artifact : await weightsOf(dependencies, init.run, field);
  if (weights === undefined) throw refusal(field, 'is missing');
  if (!(await dependencies.database.artifacts.access(weights)))
    throw refusal(field, `there is no artifact ${weights}; upload the file to /v1/artifacts first`);
  await dependencies.store.touch(weights);
  const size = viewSize(run, manifest);
  // The size of the views is a fault of its own; the plan names it.
  if (size === null) return { weights, difference: null };
  const wanted = { spec: run.backbone, image: { size, channels: manifest.channels } };
  try {
    return { weights, difference: await differenceOfWeights(dependencies.store, weights, wanted) };
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code === 'unavailable') throw error;
    throw refusal(field, error.detail.replace(/\.$/, ''), error);
  }
}

async function weightsOf(dependencies: PlanDependencies, id: string, field: string): Promise<string> {
  const { run, result } = await findTraining(dependencies, id, field);
  if (!result) throw refusal(field, `run ${id} has not trained yet (it is ${run.status}); wait until it has`);
  return result.weights;
}
