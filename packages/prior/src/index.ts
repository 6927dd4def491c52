/** Everything about priors: inspection of model files, embeddings, and the exact PCA that makes targets of them. */
export { type AppraisedSample, type Appraiser, appraiseSample } from './appraisal/appraise.js';
export {
  type Compared,
  compareCandidates,
  type Embedded,
  representationDistance,
} from './appraisal/compare.js';
export { type BlendPart, blendFactors, sideBySide } from './blend.js';
export { type Breath, breathing } from './breath.js';
export { priorDigest } from './digest.js';
export { type Eigenpairs, leadingEigenpairs } from './eigen/eigenpairs.js';
export { type Embedder, type EmbedderOptions, openEmbedder } from './embedder.js';
export type { DecodedImage } from './image.js';
export { type InspectedPrior, type InspectOptions, inspectPrior } from './inspect.js';
export { inputLength, preprocess } from './preprocess.js';
export { type PrincipalComponents, principalComponents, projectTargets } from './principal-components.js';
export { ModelRefused, RunFailed, SessionLost } from './session.js';
export { ShardStatistics } from './shard-statistics.js';
