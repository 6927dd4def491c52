/**
 * x · s + y in one pass (`graph/fuse-scaled-sums.ts`): a depthwise 1 × 1 convolution over any view of x as one block of channels, with
 * s as every filter and y as the tensor that is added, or as the bias where it is a number.
 */
import { sizeOf } from '../../tensors.js';
import { commonForm } from '../forms.js';
import { int, ints } from '../model.js';
import { type Context, define, input, type Lowering, output } from './context.js';

const DOMAIN = { domain: 'com.microsoft.nchwc' } as const;
/** Rows are what the kernel's threads share out. */
const MOST_ROWS = 64;

function rowsOf(pixels: number): number {
  for (let rows = MOST_ROWS; rows > 1; rows--) if (pixels % rows === 0) return rows;
  return 1;
}

const scaledSum: Lowering = (node, context) => {
  const { builder, forms } = context;
  const block = context.block!;
  const [x, scale, summand] = [input(node, 0), input(node, 1), input(node, 2)];
  const { shape } = output(node);
  const form = commonForm(forms, [x, ...(sizeOf(summand.shape) === 1 ? [] : [summand])], shape.length);
  const pixels = sizeOf(shape) / block;
  const rows = rowsOf(pixels);
  const dims = [1, block, rows, pixels / rows];
  const view = (name: string) => builder.emit('Reshape', [name, builder.ints(dims)]);
  const factor = spread(context, forms.reshaped(scale, [1]), [block, 1, 1, 1]);
  const names = [view(forms.operand(x, shape.length, form)), factor];
  if (sizeOf(summand.shape) === 1) names.push(spread(context, forms.reshaped(summand, [1]), [block]));
  else names.push('', view(forms.operand(summand, shape.length, form)));
  const y = builder.emit(
    'Conv',
    names,
    { group: int(block), kernel_shape: ints([1, 1]) },
    { ...DOMAIN, dims },
  );
  define(context, node, builder.emit('Reshape', [y, builder.ints(forms.measure.sides(shape, form))]), form);
};

/** A number that is known at run time, as often as the kernel wants it. */
function spread({ builder }: Context, name: string, sides: number[]): string {
  return builder.emit('Expand', [name, builder.ints(sides)]);
}

export const SCALED_SUMS: Record<string, Lowering> = { ScaledSum: scaledSum };
