/** Ops that work element by element, in whatever form their operands stand. */
import type { GraphNode, Value } from '../../graph/graph.js';
import { commonForm, type Form } from '../forms.js';
import { float, type OnnxAttribute } from '../model.js';
import { type Context, cast, define, input, type Lowering, output } from './context.js';

type Attributes = Record<string, OnnxAttribute>;

/** Works on the operands' names in one common form. */
function inCommonForm(compute: (names: string[], node: GraphNode, context: Context) => string): Lowering {
  return (node, context) => {
    const rank = output(node).shape.length;
    const form: Form = commonForm(context.forms, node.inputs, rank);
    const names = node.inputs.map((value: Value) => context.forms.operand(value, rank, form));
    define(context, node, compute(names, node, context), form);
  };
}

const direct = (op: string, attributes: (node: GraphNode) => Attributes = () => ({})) =>
  inCommonForm((names, node, { builder }) => builder.emit(op, names, attributes(node)));

const composed = (
  compute: (emit: Context['builder']['emit'], x: string, context: Context, node: GraphNode) => string,
) =>
  inCommonForm((names, node, context) =>
    compute(context.builder.emit.bind(context.builder), names[0]!, context, node),
  );

/** 0 below and at zero, 1 above: HardSigmoid of so steep a slope takes one pass where a comparison and a cast take two. */
const STEEP = { alpha: float(1e30), beta: float(0) };

const step: Lowering = composed((emit, x, { builder }, node) => {
  const above = emit('HardSigmoid', [x], STEEP);
  const alpha = (node.attributes.alpha as number | undefined) ?? 0;
  if (alpha === 0) return above;
  return emit('Add', [emit('Mul', [above, builder.scalar(1 - alpha)]), builder.scalar(alpha)]);
});

/** 1 between 0 and 6, else 0: a steep slope up and one down. Powers of two, so that 6 itself comes out as 0. */
const relu6Slope: Lowering = composed((emit, x) => {
  const steep = 2 ** 100;
  const above = emit('HardSigmoid', [x], { alpha: float(steep), beta: float(0) });
  const below = emit('HardSigmoid', [x], { alpha: float(-steep), beta: float(6 * steep) });
  return emit('Mul', [above, below]);
});

/** TF.js's remainder has the sign of the divisor. */
const mod = inCommonForm(([a, b], node, { builder }) => {
  if (output(node).dtype === 'int32') return builder.emit('Mod', [a!, b!]);
  const whole = builder.emit('Floor', [builder.emit('Div', [a!, b!])]);
  return builder.emit('Sub', [a!, builder.emit('Mul', [b!, whole])]);
});

const floorDivide = inCommonForm(([a, b], node, context) => {
  const { builder } = context;
  if (output(node).dtype !== 'int32') return builder.emit('Floor', [builder.emit('Div', [a!, b!])]);
  // ONNX divides integers towards zero; TF.js towards minus infinity. In floats, large integers would lose their last places.
  const emit = builder.emit.bind(builder);
  const zero = builder.scalar(0, 'int32');
  const quotient = emit('Div', [a!, b!]);
  const rest = emit('Sub', [a!, emit('Mul', [quotient, b!])]);
  const differ = emit('Xor', [emit('Less', [rest, zero]), emit('Less', [b!, zero])]);
  const isExact = emit('Equal', [rest, zero]);
  const below = emit('And', [differ, emit('Not', [isExact])]);
  return emit('Sub', [quotient, cast(context, below, 'int32')]);
});

/** The angle of (b, a) from the quotient's arctangent, in the quadrant that the signs say; 0 at the origin. */
const atan2 = inCommonForm(([a, b], _, { builder }) => {
  const [zero, turn] = [builder.scalar(0), builder.scalar(Math.PI)];
  const half = builder.emit('Where', [builder.emit('Less', [a!, zero]), builder.emit('Neg', [turn]), turn]);
  const correction = builder.emit('Where', [builder.emit('Less', [b!, zero]), half, zero]);
  const angle = builder.emit('Add', [builder.emit('Atan', [builder.emit('Div', [a!, b!])]), correction]);
  const atOrigin = builder.emit('And', [
    builder.emit('Equal', [a!, zero]),
    builder.emit('Equal', [b!, zero]),
  ]);
  return builder.emit('Where', [atOrigin, zero, angle]);
});

const clip = inCommonForm(([x], node, { builder }) => {
  const { clipValueMin, clipValueMax } = node.attributes as { clipValueMin: number; clipValueMax: number };
  const { dtype } = output(node);
  return builder.emit('Clip', [x!, builder.scalar(clipValueMin, dtype), builder.scalar(clipValueMax, dtype)]);
});

/** Both operands of one type: TF.js lets bool and int32 meet float32 in few ops, ONNX in none. */
const compare = (op: string, negate = false) =>
  inCommonForm((names, node, context) => {
    const [a, b] = node.inputs.map((value, index) =>
      value.dtype === 'bool' && !op.startsWith('Equal')
        ? cast(context, names[index]!, 'int32')
        : names[index]!,
    );
    const result = context.builder.emit(op, [a!, b!]);
    return negate ? context.builder.emit('Not', [result]) : result;
  });

const eluGrad = inCommonForm(([dy, y], _, { builder }) => {
  const slope = builder.emit('Add', [builder.emit('Min', [y!, builder.scalar(0)]), builder.scalar(1)]);
  return builder.emit('Mul', [dy!, slope]);
});

const select: Lowering = (node, context) => {
  const rank = output(node).shape.length;
  const condition = input(node, 0);
  const form = commonForm(context.forms, node.inputs, rank);
  // A condition of one axis chooses rows.
  const rows = condition.shape.length === 1 && rank > 1;
  const chooser = rows
    ? context.forms.reshaped(condition, [condition.shape[0]!, ...new Array<number>(rank - 1).fill(1)])
    : context.forms.operand(condition, rank, form);
  const used = rows ? output(node).shape.map((_, axis) => axis) : form;
  const [t, e] = [1, 2].map((index) => context.forms.operand(input(node, index), rank, used));
  define(context, node, context.builder.emit('Where', [chooser, t!, e!]), used);
};

const addN = inCommonForm((names, _, { builder }) =>
  names.slice(1).reduce((sum, name) => builder.emit('Add', [sum, name]), names[0]!),
);

const castTo: Lowering = (node, context) => {
  const x = input(node, 0);
  const form = context.forms.native(x);
  define(context, node, cast(context, context.forms.use(x, form), output(node).dtype), form);
};

const finite = composed((emit, x) => emit('Not', [emit('Or', [emit('IsNaN', [x]), emit('IsInf', [x])])]));

export const ELEMENTWISE: Record<string, Lowering> = {
  Abs: direct('Abs'),
  Acos: direct('Acos'),
  Acosh: direct('Acosh'),
  Add: direct('Add'),
  AddN: addN,
  Asin: direct('Asin'),
  Asinh: direct('Asinh'),
  Atan: direct('Atan'),
  Atan2: atan2,
  Atanh: direct('Atanh'),
  BitwiseAnd: direct('BitwiseAnd'),
  Cast: castTo,
  Ceil: direct('Ceil'),
  ClipByValue: clip,
  Cos: direct('Cos'),
  Cosh: direct('Cosh'),
  Elu: direct('Elu'),
  EluGrad: eluGrad,
  Equal: compare('Equal'),
  Erf: direct('Erf'),
  Exp: direct('Exp'),
  Expm1: composed((emit, x, { builder }) => emit('Sub', [emit('Exp', [x]), builder.scalar(1)])),
  Floor: direct('Floor'),
  FloorDiv: floorDivide,
  Greater: compare('Greater'),
  GreaterEqual: compare('GreaterOrEqual'),
  IsFinite: finite,
  IsInf: direct('IsInf'),
  IsNan: direct('IsNaN'),
  LeakyRelu: direct('LeakyRelu', (node) => ({ alpha: float(node.attributes.alpha as number) })),
  Less: compare('Less'),
  LessEqual: compare('LessOrEqual'),
  Log: direct('Log'),
  Log1p: composed((emit, x, { builder }) => emit('Log', [emit('Add', [x, builder.scalar(1)])])),
  LogicalAnd: direct('And'),
  LogicalNot: direct('Not'),
  LogicalOr: direct('Or'),
  Maximum: direct('Max'),
  Minimum: direct('Min'),
  Mod: mod,
  Multiply: direct('Mul'),
  Neg: direct('Neg'),
  NotEqual: compare('Equal', true),
  Pow: direct('Pow'),
  Prelu: direct('PRelu'),
  RealDiv: direct('Div'),
  Reciprocal: direct('Reciprocal'),
  Relu: direct('Relu'),
  Relu6: composed((emit, x, { builder }) => emit('Clip', [x, builder.scalar(0), builder.scalar(6)])),
  Relu6Slope: relu6Slope,
  Round: direct('Round'),
  Rsqrt: composed((emit, x) => emit('Reciprocal', [emit('Sqrt', [x])])),
  Select: select,
  Selu: direct('Selu'),
  Sigmoid: direct('Sigmoid'),
  Sign: direct('Sign'),
  Sin: direct('Sin'),
  Sinh: direct('Sinh'),
  Softplus: direct('Softplus'),
  Sqrt: direct('Sqrt'),
  Square: composed((emit, x) => emit('Mul', [x, x])),
  SquaredDifference: inCommonForm(([a, b], _, { builder }) => {
    const difference = builder.emit('Sub', [a!, b!]);
    return builder.emit('Mul', [difference, difference]);
  }),
  Step: step,
  Sub: direct('Sub'),
  Tan: direct('Tan'),
  Tanh: direct('Tanh'),
};
