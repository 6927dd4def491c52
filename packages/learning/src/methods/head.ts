/** The head of two layers that projectors and predictors are: Linear – batch norm – ReLU – Linear. */
import { type HostTensors, type Tensors, tf } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { batchNorm, linear } from '../initial.js';
import { applyBatchNorm, applyLinear } from '../layers.js';
import { under } from '../names.js';

/**
 * Weights under `name`: '.0' the first linear layer, '.1' the batch norm, '.3' the second, as PyTorch numbers them. The
 * first one has no bias: the batch norm behind it would take it away again, and its gradient would be nothing but rounding,
 * which AdamW makes as large as any other. A head runs only while training, on batch statistics; it has no running ones.
 * @param options.bias false where the same is true of the second layer
 */
export function initHead(
  name: string,
  [inputs, hidden, outputs]: readonly [number, number, number],
  random: Random,
  options = { bias: true },
): HostTensors {
  return {
    ...under(`${name}.0.`, linear(inputs, hidden, random.fork(name, 0), { bias: false })),
    ...under(`${name}.1.`, batchNorm(hidden)),
    ...under(`${name}.3.`, linear(hidden, outputs, random.fork(name, 3), options)),
  };
}

/** x [B, inputs] → [B, outputs] */
export function applyHead(weights: Tensors, name: string, x: Tensor2D): Tensor2D {
  const { y } = applyBatchNorm(weights, `${name}.1`, applyLinear(weights, `${name}.0`, x));
  return applyLinear(weights, `${name}.3`, tf.relu(y) as Tensor2D);
}
