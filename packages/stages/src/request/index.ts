/** From a request to its plan: looks up what it names and checks that it can run. */
export type { Catalogue, PlanDependencies } from './catalogue.js';
export { createManifests, type ReadManifest } from './manifests.js';
export { planRequest } from './plan-request.js';
export { readJob } from './read-job.js';
export { findDataset, findPrior, unknownReference } from './references.js';
export { planScheduledJob } from './scheduled-job.js';
