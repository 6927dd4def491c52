/**
 * The one TF.js of this process. The whole package is loaded, since the core alone has no gradients in Node; through
 * `require`, since its ES modules lack the file endings that Node wants.
 */
import { createRequire } from 'node:module';
import type * as TensorFlow from '@tensorflow/tfjs-core';

const require = createRequire(import.meta.url);

export const tf = require('@tensorflow/tfjs') as typeof TensorFlow;
