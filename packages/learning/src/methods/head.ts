/** The small networks behind a backbone that projectors and predictors are: linear layers with batch norm and an activation between. */
import { type HostTensors, type Tensors, tf } from '@rela/engine';
import type { Random } from '@rela/random';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { batchNorm, linear } from '../initial.js';
import { applyBatchNorm, applyLinear } from '../layers.js';
import { under } from '../names.js';

export interface HeadOptions {
  /** Behind which layers there is a batch norm. Default: the hidden ones. */
  norms?: 'hidden' | 'none';
  /** Whether the last layer has a bias. Default: true. */
  bias?: boolean;
}

/**
 * Weights under `name`: '.0' the first linear layer, '.1' its batch norm, '.3' the second layer, '.4' its batch norm, and so on, as
 * PyTorch numbers them. A layer before a batch norm has no bias: the norm would take it away again, and its gradient would be nothing
 * but rounding, which AdamW makes as large as any other. The same is why the last one has none where what follows takes it away. A
 * head runs only while training, on batch statistics; it has no running ones.
 * @param widths from the inputs over the hidden layers to the outputs
 */
export function initHead(
  name: string,
  widths: readonly number[],
  random: Random,
  { norms = 'hidden', bias = true }: HeadOptions = {},
): HostTensors {
  const weights: HostTensors = {};
  for (let layer = 0; layer + 1 < widths.length; layer++) {
    const [inputs, outputs] = [widths[layer]!, widths[layer + 1]!];
    const isLast = layer + 2 === widths.length;
    const at = 3 * layer;
    const options = { bias: isLast ? bias : norms === 'none' };
    Object.assign(weights, under(`${name}.${at}.`, linear(inputs, outputs, random.fork(name, at), options)));
    if (!isLast && norms === 'hidden')
      Object.assign(weights, under(`${name}.${at + 1}.`, batchNorm(outputs)));
  }
  return weights;
}

/** x [B, inputs] → [B, outputs] */
export function applyHead(
  weights: Tensors,
  name: string,
  x: Tensor2D,
  activation: (x: Tensor2D) => Tensor2D = tf.relu,
): Tensor2D {
  const layer = (y: Tensor2D, at: number): Tensor2D => {
    const z = applyLinear(weights, `${name}.${at}`, y);
    const isNormed = weights[`${name}.${at + 1}.weight`] !== undefined;
    return isNormed ? (applyBatchNorm(weights, `${name}.${at + 1}`, z).y as Tensor2D) : z;
  };
  let y = layer(x, 0);
  for (let at = 3; weights[`${name}.${at}.weight`] !== undefined; at += 3) y = layer(activation(y), at);
  return y;
}
