/** From a request to its plan: looks up what it names and checks that it can run. */
export type { Catalogue, PlanDependencies } from './catalogue.js';
export { manifestsIn, planRequest, type ReadManifest } from './plan-request.js';
export { findDataset, findPrior, unknownReference } from './references.js';
export { planScheduledJob } from './scheduled-job.js';
