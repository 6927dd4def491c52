/** Everything that @rela/learning offers. */
export { createRandom, epochSubset, type Random, subsetSize } from './random.js';
