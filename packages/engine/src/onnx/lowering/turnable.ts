/** Gradients of inputs that are convolutions themselves. */
import { type ConvInfo, isDilated, padsOf, strideOf } from '../../graph/heavy-op.js';

/** Whether the gradient of the input is a convolution of dy with the filter turned round, padded by no negative number. */
export function isTurnable(info: ConvInfo): boolean {
  const [top, right, bottom, left] = padsOf(info);
  const isInside = Math.max(top, bottom) < info.filterHeight && Math.max(left, right) < info.filterWidth;
  return strideOf(info) === 1 && !isDilated(info) && isInside;
}
