/** Convolutions and their gradients: the kernel that stands on a node says which lowering it gets. */
import type { GraphNode } from '../../graph/graph.js';
import { type ConvolutionOp, convolutionOf, type Role } from '../../graph/heavy-op.js';
import { type Candidate, kernelOf } from '../../graph/kernels.js';
import { blockedBackpropFilter, blockedBackpropInput, blockedConv } from './blocked.js';
import { type Context, type Lowering, unsupported } from './context.js';
import {
  blockedDepthwise,
  blockedDepthwiseBackpropFilter,
  blockedDepthwiseBackpropInput,
} from './depthwise.js';
import { filledConv } from './filled.js';
import { plainBackpropFilter, plainBackpropInput, plainConv } from './plain.js';
import { mapsBackpropFilter, plainDepthwiseBackpropFilter, turnedBackpropInput } from './plain-depthwise.js';
import { rowsBackpropFilter, rowsBackpropInput, rowsConv, tapsBackpropFilter } from './rows.js';

type Written = (node: GraphNode, context: Context, op: ConvolutionOp) => void;
type ByRole = Partial<Record<Role, Written>>;

const WRITTEN: Record<ConvolutionOp['kind'], Partial<Record<Candidate, ByRole>>> = {
  convolution: {
    plain: { y: plainConv, dx: plainBackpropInput, dw: plainBackpropFilter },
    direct: { y: blockedConv, dx: blockedBackpropInput, dw: blockedBackpropFilter },
    rows: { y: rowsConv, dx: rowsBackpropInput, dw: rowsBackpropFilter },
    taps: { dw: tapsBackpropFilter },
    filled: { y: filledConv, dx: filledConv },
  },
  depthwise: {
    plain: { y: plainConv, dx: plainBackpropInput, dw: plainDepthwiseBackpropFilter },
    turned: { dx: turnedBackpropInput },
    maps: { dw: mapsBackpropFilter },
    direct: {
      y: blockedDepthwise,
      dx: blockedDepthwiseBackpropInput,
      dw: blockedDepthwiseBackpropFilter,
    },
  },
};

const convolution: Lowering = (node, context) => {
  const op = convolutionOf(node);
  if (op === null) throw unsupported(node, 'with NCHW data');
  if (op.role !== 'y' && op.filter[2] !== op.x[3]) throw unsupported(node, 'with groups');
  const kernel = kernelOf(node);
  const written = WRITTEN[op.kind][kernel]?.[op.role];
  if (!written) throw new Error(`${node.op} has no kernel "${kernel}".`);
  written(node, context, op);
};

export const CONVOLUTIONS: Record<string, Lowering> = {
  Conv2D: convolution,
  Conv2DBackpropFilter: convolution,
  Conv2DBackpropInput: convolution,
  DepthwiseConv2dNative: convolution,
  DepthwiseConv2dNativeBackpropFilter: convolution,
  DepthwiseConv2dNativeBackpropInput: convolution,
};
