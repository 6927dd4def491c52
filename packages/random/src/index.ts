/** Everything that @rela/random offers. */
export { portion } from './portion.js';
export { createRandom, epochSubset, type Random, subsetSize } from './random.js';
