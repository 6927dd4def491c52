/** What methods of two views share: the pair, and the two ways to put it through a backbone. */
import { type Tensors, tf } from '@rela/engine';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Backbone } from '../backbones/backbone.js';
import { within } from '../names.js';
import type { Batch } from './method.js';

/** x′ and x″, each [B, H, W, C]. @throws RangeError where the batch has no two. */
export function bothViews({ views: [x1, x2] }: Batch): [Tensor4D, Tensor4D] {
  if (!x1 || !x2) throw new RangeError('This method takes two views of every image; the batch has one.');
  return [x1, x2];
}

/**
 * The two views as separate batches: batch norm sees one at a time, and the running statistics take in the one, then the other.
 * @returns φ(x′) and φ(x″), each [B, d]
 */
export function forwardEach(
  backbone: Backbone,
  weights: Tensors,
  [x1, x2]: readonly [Tensor4D, Tensor4D],
): { features: [Tensor2D, Tensor2D]; statistics: Tensors } {
  const φ = within(weights, 'backbone.');
  const first = backbone.forward(φ, x1, 'training');
  const second = backbone.forward({ ...φ, ...first.statistics }, x2, 'training');
  return { features: [first.features, second.features], statistics: second.statistics };
}

/**
 * Views of one size as one batch, one view below the other: batch norm sees all of them at once.
 * @returns φ of them, [views · B, d]
 */
export function forwardStacked(
  backbone: Backbone,
  weights: Tensors,
  views: readonly Tensor4D[],
): { features: Tensor2D; statistics: Tensors } {
  return backbone.forward(within(weights, 'backbone.'), tf.concat([...views], 0), 'training');
}

/** The rows of one view of a stack, [B, w] of [views · B, w]; the first is 0. */
export function rowsOf(stack: Tensor2D, view: number, views: number): Tensor2D {
  const rows = stack.shape[0] / views;
  return tf.slice(stack, [view * rows, 0], [rows, -1]);
}

/** The same of each view. */
export function viewsOf(stack: Tensor2D, views: number): Tensor2D[] {
  return Array.from({ length: views }, (_, view) => rowsOf(stack, view, views));
}
