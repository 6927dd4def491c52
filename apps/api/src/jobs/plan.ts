/** From a request for a job to its plan: looks up what it names and checks that it can run. */
import {
  type Dataset,
  DatasetManifest,
  type JobCreate,
  type JobPlan,
  type Prior,
  ProblemError,
} from '@rela/contracts';
import { planJob } from '@rela/stages';
import type { ApiDependencies } from '../dependencies.js';
import { findDataset, findPrior } from '../references.js';

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
  const prior = typeof request.prior === 'string' ? await findPrior(database, request.prior) : null;
  const candidates: Prior[] = [];
  if (typeof request.prior === 'object')
    for (const reference of request.prior.auto) candidates.push(await findPrior(database, reference));
  if (dataset.status !== 'ready' || dataset.digest === null) throw notReady(dataset);
  return planJob(request, {
    dataset,
    manifest: await readManifest(store, dataset.digest),
    prior,
    candidates,
  });
}
