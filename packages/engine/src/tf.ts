/**
 * The one TF.js of this process. The whole package is loaded, since the core alone has no gradients in Node; through
 * `require`, since its ES modules lack the file endings that Node wants.
 */
import { createRequire } from 'node:module';
import type * as Converter from '@tensorflow/tfjs-converter';
import type * as Core from '@tensorflow/tfjs-core';
import type * as Layers from '@tensorflow/tfjs-layers';

const require = createRequire(import.meta.url);

export const tf = require('@tensorflow/tfjs') as typeof Core &
  Pick<typeof Converter, 'loadGraphModel'> &
  Pick<typeof Layers, 'initializers' | 'input' | 'layers' | 'loadLayersModel' | 'model' | 'sequential'>;
