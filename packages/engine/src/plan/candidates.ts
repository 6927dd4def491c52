/** Which kernels an op has, which of them a machine has, and which stand in for one that it has not. */
import { EngineError } from '../errors.js';
import { type ConvolutionOp, type HeavyOp, isDilated, isPointwise, strideOf } from '../graph/heavy-op.js';
import { CANDIDATES, type Candidate } from '../graph/kernels.js';
import { winogradShapeOf } from '../graph/winograd.js';
import { directFits } from '../onnx/lowering/blocked.js';
import { directDepthwiseFits } from '../onnx/lowering/depthwise.js';
import { filledFits } from '../onnx/lowering/filled.js';
import { isTurnable } from '../onnx/lowering/turnable.js';
import { keyOf, ownKeyOf } from './key.js';
import { type Plan, type Precision, tileSizeOf } from './plan.js';

export interface Machine {
  /** Channels in a block of the direct kernels; null where there are none. */
  block: number | null;
}

const PRODUCTS: readonly Candidate[] = ['plain', 'fused'];
const DEPTHWISE: readonly Candidate[] = ['direct', 'plain', 'turned', 'maps'];

/** Whether the kernel is one for ops of this shape, on whichever machine. */
function exists(op: HeavyOp, candidate: Candidate): boolean {
  if (op.kind === 'product') return PRODUCTS.includes(candidate);
  if (op.kind === 'depthwise') return DEPTHWISE.includes(candidate);
  if (['fused', 'turned', 'maps'].includes(candidate)) return false;
  if (candidate === 'filled') return isPointwise(op) && strideOf(op.info) === 1;
  if (candidate === 'taps') return !isPointwise(op);
  return tileSizeOf(candidate) === null || winogradShapeOf(op) !== null;
}

/** Whether this machine computes this op, of the three that a convolution has, by the kernel. */
function fits(op: HeavyOp, candidate: Candidate, { block }: Machine): boolean {
  if (!exists(op, candidate)) return false;
  if (op.kind === 'product') return true;
  switch (candidate) {
    case 'direct':
      return block !== null && (op.kind === 'depthwise' ? directDepthwiseFits : directFits)(op, block);
    case 'filled':
      return block !== null && filledFits(op, block);
    case 'rows':
      return op.role !== 'dx' || isTurnable(op.info);
    case 'taps':
      return op.role === 'dw';
    case 'turned':
      return op.role === 'dx' && op.filter[3] === 1 && isTurnable(op.info);
    case 'maps':
      return op.role === 'dw' && op.filter[3] === 1 && !isDilated(op.info);
    default:
      return true;
  }
}

/** The kernels to choose from for one op, but Winograd's, which are for all three ops of a convolution together. */
export const candidatesFor = (op: HeavyOp, machine: Machine): Candidate[] =>
  CANDIDATES.filter((candidate) => tileSizeOf(candidate) === null && fits(op, candidate, machine));

export const winogradsFor = (op: HeavyOp, precision: Precision): Candidate[] =>
  CANDIDATES.filter((candidate) => tileSizeOf(candidate) !== null && exists(op, candidate)).filter(
    (candidate) => precision === 'fast' || candidate !== 'winograd4',
  );

/** In this order, for a kernel that does not do one of the three ops, or that this machine does not have. */
function standInsOf(op: ConvolutionOp, { block }: Machine): Candidate[] {
  if (op.kind === 'depthwise' || !isPointwise(op)) return ['direct', 'plain'];
  if (op.role === 'dw') return ['rows'];
  // Between maps in blocks: the kernels lead from them to rows and back on all threads, to NCHW they do not.
  return block !== null && strideOf(op.info) === 1 ? ['direct', 'rows'] : ['direct', 'plain'];
}

/** The kernel that an op gets where `wanted` is planned for its shape. */
export function kernelFor(op: HeavyOp, wanted: Candidate, machine: Machine): Candidate {
  if (op.kind === 'product') return wanted;
  return [wanted, ...standInsOf(op, machine)].find((candidate) => fits(op, candidate, machine))!;
}

/** @throws EngineError `unknown-plan` naming an op that has no such kernel */
export function checkPlan(ops: readonly HeavyOp[], plan: Plan): void {
  for (const op of ops)
    for (const key of new Set([keyOf(op), ownKeyOf(op)])) {
      const candidate = plan[key];
      if (candidate === undefined || exists(op, candidate)) continue;
      const known = CANDIDATES.filter((one) => exists(op, one)).join(', ');
      throw new EngineError(
        'unknown-plan',
        `The plan has "${candidate}" for ${key}, which is no kernel of such an op. Known: ${known}. Take the plan that this step was given, or begin anew without one.`,
      );
    }
}
