/** The rest of a plan, once a stage of it knows the prior. */
import { DatasetManifest, type JobPlan, type Prior, type RestOfPlan } from '@rela/contracts';
import type { ArtifactStore } from '@rela/storage';
import { planStages } from './plan.js';
import { readJson } from './targets.js';

/** The plan of the job with that prior. @param options.appraised whether the prior has been looked at */
export async function planRest(
  { request, datasetId, dataset, priors = [], inits, transfers }: RestOfPlan,
  prior: Prior,
  { store, appraised }: { store: ArtifactStore; appraised: boolean },
): Promise<JobPlan> {
  const known = {
    dataset: { id: datasetId, status: 'ready' as const, digest: dataset },
    ...{ manifest: await readJson(store, dataset, DatasetManifest), prior },
    priors: new Map(priors.map(({ reference, prior: own }) => [reference, own])),
    starts: new Map(inits.map(({ run, weights }) => [run, { init: { weights, difference: null } }])),
    transfers: new Map(transfers.map(({ reference, ...rest }) => [reference, rest])),
  };
  return planStages({ ...request, prior: prior.id }, known, { appraised });
}
