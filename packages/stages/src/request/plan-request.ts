/** From a request for a job to its plan: multiplies it out, looks up what it names, and checks that it can run. */
import {
  type Dataset,
  fieldName,
  type JobPlan,
  type JobRequest,
  type Prior,
  ProblemError,
} from '@rela/contracts';
import type { TransferDataset } from '../evaluation-faults.js';
import { planJob } from '../plan.js';
import { findAwaitedRun, findJobsBefore } from './awaited.js';
import type { Catalogue, PlanDependencies } from './catalogue.js';
import type { ReadManifest } from './manifests.js';
import type { WrittenJob } from './read-job.js';
import { findDataset, findPrior } from './references.js';
import { findStarts } from './starts.js';

function notReady({ id, name, status, error }: Dataset): ProblemError {
  const what =
    status === 'failed'
      ? `failed: ${error ?? 'no reason given'}. Correct its source and create it again.`
      : `is ${status}: its images are still to be read. Send the job again when GET /v1/datasets/${id} says "ready".`;
  return new ProblemError('not-ready', `Dataset "${name}" (${id}) ${what}`);
}

/** @throws ProblemError `not-found`, `not-ready`, and what `planJob` finds wrong, in terms of the request as it was written */
export async function planRequest(
  dependencies: PlanDependencies,
  { request, placed }: WrittenJob,
): Promise<JobPlan> {
  try {
    return await planOf(dependencies, request);
  } catch (error) {
    throw error instanceof ProblemError ? placed(error) : error;
  }
}

async function planOf(
  { database, store, readManifest }: PlanDependencies,
  request: JobRequest,
): Promise<JobPlan> {
  const dataset = await findDataset(database, request.dataset);
  const prior = typeof request.prior === 'string' ? await findPrior(database, request.prior) : null;
  const candidates: Prior[] = [];
  const blend: { prior: Prior; weight: number }[] = [];
  if (typeof request.prior === 'object' && 'blend' in request.prior)
    for (const { prior: reference, weight } of request.prior.blend)
      blend.push({ prior: await findPrior(database, reference), weight });
  if (typeof request.prior === 'object' && 'auto' in request.prior)
    for (const reference of request.prior.auto) candidates.push(await findPrior(database, reference));
  const awaited = await findAwaitedRun(database, request);
  const after = await findJobsBefore(database, request);
  const priors = await findPriorsOfRuns(database, request);
  if (dataset.status !== 'ready' || dataset.digest === null) throw notReady(dataset);
  const manifest = await readManifest(dataset.digest);
  const starts = await findStarts({ database, store, readManifest }, request, manifest);
  const transfers = await findTransfers({ database, readManifest }, request);
  return planJob(request, {
    dataset,
    manifest,
    prior,
    candidates,
    blend,
    priors,
    awaited,
    after,
    starts,
    transfers,
  });
}

/** The same refusal, naming the field that it is about. */
function at(field: string, error: unknown): unknown {
  if (!(error instanceof ProblemError) || error.code === 'unavailable') return error;
  return new ProblemError(error.code, error.detail, [{ field, message: error.detail }], { cause: error });
}

/** What runs name as their own prior, by the name that they give. @throws ProblemError `not-found` naming the field */
async function findPriorsOfRuns(
  database: Pick<Catalogue, 'priors'>,
  { runs }: JobRequest,
): Promise<Map<string, Prior>> {
  const found = new Map<string, Prior>();
  for (const [index, { prior: reference }] of runs.entries()) {
    if (reference === undefined || found.has(reference)) continue;
    try {
      found.set(reference, await findPrior(database, reference));
    } catch (error) {
      throw at(fieldName(['runs', index, 'prior']), error);
    }
  }
  return found;
}

/**
 * The data sets that runs are to be judged on beside their own, by the name that the request gives them.
 * @throws ProblemError as for the data set of the job, naming the field
 */
async function findTransfers(
  { database, readManifest }: { database: Pick<Catalogue, 'datasets'>; readManifest: ReadManifest },
  request: JobRequest,
): Promise<Map<string, TransferDataset>> {
  const found = new Map<string, TransferDataset>();
  for (const [run, { evaluation }] of request.runs.entries())
    for (const [index, reference] of (evaluation.transfer ?? []).entries()) {
      if (found.has(reference)) continue;
      try {
        const dataset = await findDataset(database, reference);
        if (dataset.status !== 'ready' || dataset.digest === null) throw notReady(dataset);
        const { name, digest } = dataset;
        found.set(reference, { name, digest, manifest: await readManifest(digest) });
      } catch (error) {
        throw at(fieldName(['runs', run, 'evaluation', 'transfer', index]), error);
      }
    }
  return found;
}
