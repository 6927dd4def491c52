/** Batch norm with given statistics, in NCHW. */
import { NCHW } from '../forms.js';
import { define, input, type Lowering, unsupported } from './context.js';

const fusedBatchNorm: Lowering = (node, context) => {
  const { builder, forms } = context;
  const x = input(node, 0);
  const present = (node.attributes.present as string[] | undefined) ?? [
    'x',
    'mean',
    'variance',
    'offset',
    'scale',
  ];
  const named = (name: string) => {
    const at = present.indexOf(name);
    return at < 0 ? undefined : forms.use(input(node, at));
  };
  const channels = x.shape.at(-1)!;
  const filled = (number: number) =>
    builder.constant({ dtype: 'float32', dims: [channels], data: new Float32Array(channels).fill(number) });
  const epsilon = {
    type: 'float',
    value: (node.attributes.varianceEpsilon as number | undefined) ?? 1e-3,
  } as const;
  if (x.shape.length !== 4) throw unsupported(node, 'of a tensor that is not [N, H, W, C]');
  const names = [
    forms.use(x, NCHW),
    named('scale') ?? filled(1),
    named('offset') ?? filled(0),
    named('mean')!,
    named('variance')!,
  ];
  define(context, node, builder.emit('BatchNormalization', names, { epsilon }), NCHW);
};

export const BATCH_NORMS: Record<string, Lowering> = { FusedBatchNorm: fusedBatchNorm };
