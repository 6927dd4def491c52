/** From a request for a job to its plan: looks up what it names and checks that it can run. */
import { type Dataset, DatasetManifest, type JobCreate, type JobPlan, ProblemError } from '@rela/contracts';
import { planJob } from '@rela/stages';
import type { ApiDependencies } from '../dependencies.js';
import { findDataset, findPrior } from '../references.js';
import { findStarts } from './starts.js';

function notReady({ id, name, status, error }: Dataset): ProblemError {
  const what =
    status === 'failed'
      ? `failed: ${error ?? 'no reason given'}. Correct its source and create it again.`
      : `is ${status}: its images are still to be read. Send the job again when GET /v1/datasets/${id} says "ready".`;
  return new ProblemError('not-ready', `Dataset "${name}" (${id}) ${what}`);
}

async function readManifest(store: ApiDependencies['store'], digest: string): Promise<DatasetManifest> {
  return DatasetManifest.parse(JSON.parse(new TextDecoder().decode(await store.read(digest))));
}

/** @throws ProblemError `not-found`, `not-ready`, and what `planJob` finds wrong */
export async function planRequest(
  { database, store }: Pick<ApiDependencies, 'database' | 'store'>,
  request: JobCreate,
): Promise<JobPlan> {
  const dataset = await findDataset(database, request.dataset);
  const prior = request.prior === undefined ? null : await findPrior(database, request.prior);
  if (dataset.status !== 'ready' || dataset.digest === null) throw notReady(dataset);
  const manifest = await readManifest(store, dataset.digest);
  const starts = await findStarts({ database, store }, request, manifest);
  return planJob(request, { dataset, manifest, prior, starts });
}
