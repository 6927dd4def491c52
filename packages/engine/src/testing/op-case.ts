/** For tests: an op (or a few together) on inputs of given shapes. */
import type { Tensor } from '@tensorflow/tfjs-core';

export interface OpCase {
  /** Kernels that this case is there for. */
  covers: string;
  shapes: number[][];
  fn: (...inputs: Tensor[]) => Tensor;
  range?: [number, number];
  /** No gradient is defined or wanted. */
  forwardOnly?: boolean;
}
