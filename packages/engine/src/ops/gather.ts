/** Reading and writing by lists of places, with gradients: TF.js has none for tf.gatherND, tf.scatterND, tf.tensorScatterUpdate. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { tf } from '../tf.js';

type Save = (tensors: Tensor[]) => void;

/**
 * The parts of x that indices name. Its gradient is `scatterNd`: a part that is read twice gets both gradients.
 *
 * @param x [d₀, …]
 * @param indices int32 [..., r]: places along the first r axes of x
 * @returns [..., d_r, …]
 */
export function gatherNd(x: Tensor, indices: Tensor): Tensor {
  const { shape } = x;
  const gather = tf.customGrad((...given: unknown[]) => {
    const [input, save] = given as [Tensor, Save];
    save([indices]);
    return {
      value: tf.gatherND(input, indices),
      gradFunc: (dy: Tensor, [places]: Tensor[]) => scatterNd(places!, dy, shape),
    };
  });
  return gather(x);
}

/**
 * Zeros of `shape` with the updates added where indices say. Its gradient is `gatherNd`.
 *
 * @param indices int32 [..., r]
 * @param updates [..., d_r, …]
 */
export function scatterNd(indices: Tensor, updates: Tensor, shape: number[]): Tensor {
  const scatter = tf.customGrad((...given: unknown[]) => {
    const [input, save] = given as [Tensor, Save];
    save([indices]);
    return {
      value: tf.scatterND(indices, input, shape as [number]) as Tensor,
      gradFunc: (dy: Tensor, [places]: Tensor[]) => gatherNd(dy, places!),
    };
  });
  return scatter(updates);
}

/**
 * x with the updates in place of what stands where indices say; no place may be named twice.
 *
 * @param x [d₀, …]
 * @param indices int32 [..., r]
 * @param updates [..., d_r, …]
 */
export function scatterUpdate(x: Tensor, indices: Tensor, updates: Tensor): Tensor {
  const { shape } = updates;
  const update = tf.customGrad((...given: unknown[]) => {
    const [input, parts, save] = given as [Tensor, Tensor, Save];
    save([indices]);
    return {
      // TF.js's CPU backend writes into the tensor that it is given: it gets a copy, which compiled is none.
      value: tf.tensorScatterUpdate(tf.add(input, 0), indices, parts),
      gradFunc: (dy: Tensor, [places]: Tensor[]) => [
        scatterUpdate(dy, places!, tf.zeros(shape)),
        gatherNd(dy, places!),
      ],
    };
  });
  return update(x, updates);
}
