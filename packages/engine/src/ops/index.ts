/**
 * Ops that TF.js lacks, or whose own gradients are slow or inexact, with gradients written by hand. Plain TF.js: they run on
 * every engine.
 */
export { attention } from './attention.js';
export { batchNormTraining } from './batch-norm.js';
export { cumsum } from './cumsum.js';
export { einsum } from './einsum.js';
export { gatherNd, scatterNd, scatterUpdate } from './gather.js';
export { gelu } from './gelu.js';
export { groupNorm, layerNorm } from './layer-norm.js';
export { randomNormal, randomUniform } from './random.js';
export { stopGradient } from './stop-gradient.js';
