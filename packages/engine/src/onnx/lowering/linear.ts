/** Matrix products. */
import { kernelOf } from '../../graph/kernels.js';
import { string } from '../model.js';
import { define, input, type Lowering } from './context.js';
import { product } from './product.js';

const matMul: Lowering = (node, context) => {
  const { transposeA, transposeB } = node.attributes as { transposeA: boolean; transposeB: boolean };
  const [a, b] = [input(node, 0), input(node, 1)];
  const ranks = [a.shape.length, b.shape.length] as const;
  const { forms } = context;
  const options = { transposeA, transposeB, ranks, apart: kernelOf(node) === 'plain' };
  define(context, node, product(context, forms.use(a), forms.use(b), options));
};

const einsum: Lowering = (node, context) => {
  const names = node.inputs.map((value) => context.forms.use(value));
  const equation = string(node.attributes.equation as string);
  define(context, node, context.builder.emit('Einsum', names, { equation }));
};

export const LINEAR: Record<string, Lowering> = { BatchMatMul: matMul, Einsum: einsum };
