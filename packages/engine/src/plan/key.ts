/** Names of shapes in a plan: what decides how fast a kernel is, and nothing of the network that the op is in. */
import { type ConvolutionOp, type HeavyOp, padsOf } from '../graph/heavy-op.js';
import { type ConvolutionShape, winogradShapeOf } from '../graph/winograd.js';

/** Of the convolutions that most networks are made of, 3 × 3 at stride 1, whose window is not said. */
export const planKey = ({ images, height, width, channels, filters }: ConvolutionShape): string =>
  `${images}×${height}×${width} ${channels}→${filters}`;

/**
 * - "32×16×16 128→256": images, height, width, channels and filters of a 3 × 3 convolution at stride 1, padded by 1
 * - "7×7/2 4×224×224 3→64": another window, and its stride; padded by half of the window where nothing else is said
 * - "depthwise 3×3 32×16×16 96"
 * - "product 96 of 65×64×65 a·bᵀ": products of 65×64 and 64×65, the second of which lies turned
 */
export function keyOf(op: HeavyOp): string {
  if (op.kind === 'product') {
    const { count, rows, inner, columns, transposeA, transposeB } = op;
    const sides = `${transposeA ? 'aᵀ' : 'a'}·${transposeB ? 'bᵀ' : 'b'}`;
    return `product ${count === 1 ? '' : `${count} of `}${rows}×${inner}×${columns} ${sides}`;
  }
  const shape = winogradShapeOf(op);
  if (shape) return planKey(shape);
  const map = op.x.slice(0, 3).join('×');
  const [, , channels, last] = op.filter;
  if (op.kind === 'convolution') return `${windowOf(op)} ${map} ${channels}→${last}${paddingOf(op)}`;
  const made = last === 1 ? '' : `→${channels! * last!}`;
  return `depthwise ${windowOf(op)} ${map} ${channels}${made}${paddingOf(op)}`;
}

function windowOf({ info }: ConvolutionOp): string {
  const each = (down: number, across: number) => (down === across ? `${down}` : `${down}×${across}`);
  const { strideHeight, strideWidth, dilationHeight, dilationWidth } = info;
  const stride = strideHeight * strideWidth === 1 ? '' : `/${each(strideHeight, strideWidth)}`;
  const dilation =
    dilationHeight * dilationWidth === 1 ? '' : ` dilated ${each(dilationHeight, dilationWidth)}`;
  return `${info.filterHeight}×${info.filterWidth}${stride}${dilation}`;
}

/** Sides that differ: top, right, bottom, left. */
function paddingOf({ info }: ConvolutionOp): string {
  const pads = padsOf(info);
  const { filterHeight, filterWidth, dilationHeight, dilationWidth } = info;
  const half = (kernel: number, dilation: number) => (dilation * (kernel - 1)) / 2;
  const [down, across] = [half(filterHeight, dilationHeight), half(filterWidth, dilationWidth)];
  if (String(pads) === String([down, across, down, across])) return '';
  return ` padded ${new Set(pads).size === 1 ? pads[0] : pads.join(' ')}`;
}

/** The entry that a gradient has where it gets another kernel than its convolution. */
export function ownKeyOf(op: HeavyOp): string {
  return op.kind === 'product' || op.role === 'y' ? keyOf(op) : `${keyOf(op)} ${op.role}`;
}
