/** How the heavy ops are lowered; a pass (`plan/apply.ts`) puts a kernel on every one of them. */
import type { GraphNode } from './graph.js';

/**
 * Most accurate first; all but Winograd's differ from each other in the order of their sums alone.
 * - `direct`: ONNX Runtime's kernels on maps in blocks of channels
 * - `filled`: the same on channels that are filled up to whole blocks
 * - `plain`: ONNX's own op, on maps in NCHW; of products, Transpose and MatMul
 * - `rows`: one matrix product over the positions of NHWC, the taps that each meets side by side
 * - `taps`: the same for the gradient of a filter, a product a tap
 * - `turned`: the gradient of x of a depthwise convolution as a convolution of dy, where `plain` is a transposed one
 * - `maps`: the gradient of a depthwise filter as one convolution, each map of x with that of dy as its filter
 * - `fused`: a product that turns its sides itself
 * - `winograd2`, `winograd4`: products over transformed tiles of 2 × 2 and 4 × 4 positions
 */
export const CANDIDATES = [
  'direct',
  'filled',
  'plain',
  'rows',
  'taps',
  'turned',
  'maps',
  'fused',
  'winograd2',
  'winograd4',
] as const;
export type Candidate = (typeof CANDIDATES)[number];

/** Where no pass has put one, as in a graph that is exported, ONNX's own op. */
export const kernelOf = ({ attributes }: GraphNode): Candidate =>
  (attributes.kernel as Candidate | undefined) ?? 'plain';
