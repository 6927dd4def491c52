/** Matrix products. */
import { identity } from '../forms.js';
import { int, ints, string } from '../model.js';
import { define, input, type Lowering } from './context.js';

const matMul: Lowering = (node, context) => {
  const { builder, forms, portable } = context;
  const { transposeA, transposeB } = node.attributes as { transposeA: boolean; transposeB: boolean };
  const names = [input(node, 0), input(node, 1)].map((value, index) => {
    const name = forms.use(value);
    if (!portable || !(index === 0 ? transposeA : transposeB)) return name;
    const perm = [...identity(value.shape.length)];
    [perm[perm.length - 1], perm[perm.length - 2]] = [perm.length - 2, perm.length - 1];
    return builder.emit('Transpose', [name], { perm: ints(perm) });
  });
  if (portable || (!transposeA && !transposeB)) {
    define(context, node, builder.emit('MatMul', names));
    return;
  }
  const flags = { transA: int(transposeA ? 1 : 0), transB: int(transposeB ? 1 : 0) };
  define(context, node, builder.emit('FusedMatMul', names, flags, { domain: 'com.microsoft' }));
};

const einsum: Lowering = (node, context) => {
  const names = node.inputs.map((value) => context.forms.use(value));
  const equation = string(node.attributes.equation as string);
  define(context, node, context.builder.emit('Einsum', names, { equation }));
};

export const LINEAR: Record<string, Lowering> = { BatchMatMul: matMul, Einsum: einsum };
