/** Reductions: axes are renamed to the form in which the operand stands, so that nothing has to move first. */
import type { GraphNode } from '../../graph/graph.js';
import { axesOf, reducedAxes } from '../../recording/shapes.js';
import { axisOf, type Form, identity, inner, outer } from '../forms.js';
import { int } from '../model.js';
import { type Context, cast, define, input, type Lowering, output } from './context.js';

/** The form of what remains when `axes` are taken out of `form`: the remaining axes, counted anew. */
function remainingForm(form: Form, axes: readonly number[]): Form {
  const kept = form.filter((part) => !axes.includes(axisOf(part)));
  const sorted = [...new Set(kept.map(axisOf))].sort((a, b) => a - b);
  return kept.map((part) => part - axisOf(part) + sorted.indexOf(axisOf(part)));
}

/** `form` with every axis whole whose two parts lie side by side. */
function joined(form: Form): Form {
  return form.flatMap((part, index) => {
    const axis = axisOf(part);
    if (part === outer(axis) && form[index + 1] === inner(axis)) return [axis];
    return part === inner(axis) && form[index - 1] === outer(axis) ? [] : [part];
  });
}

function reduce(op: string, node: GraphNode, context: Context, name: string, form: Form): string {
  const { builder } = context;
  const axes = reducedAxes(input(node, 0).shape, node.attributes);
  const keepDims = Boolean(node.attributes.keepDims);
  const places = [...form.keys()].filter((place) => axes.includes(axisOf(form[place]!)));
  return builder.emit(op, [name, builder.ints(places)], { keepdims: int(keepDims ? 1 : 0) });
}

const reduction =
  (op: string, through?: 'int32'): Lowering =>
  (node, context) => {
    const { builder, forms } = context;
    const x = input(node, 0);
    const form = forms.native(x);
    const axes = reducedAxes(x.shape, node.attributes);
    const used = forms.use(x, form);
    if (axes.length === 0) {
      define(context, node, used, form);
      return;
    }
    const operand = through || x.dtype === 'bool' ? cast(context, used, 'int32') : used;
    const reduced = reduce(op, node, context, operand, form);
    const result = through ? cast(context, reduced, output(node).dtype) : reduced;
    if (node.attributes.keepDims) {
      define(context, node, result, form);
      return;
    }
    const remaining = remainingForm(form, axes);
    const whole = joined(remaining);
    const sides = builder.ints(forms.measure.sides(output(node).shape, whole));
    define(
      context,
      node,
      whole.length === remaining.length ? result : builder.emit('Reshape', [result, sides]),
      whole,
    );
  };

const argReduction =
  (op: string): Lowering =>
  (node, context) => {
    const x = input(node, 0);
    const [axis] = axesOf(x.shape, node.attributes.axis ?? 0);
    const index = context.builder.emit(op, [context.forms.use(x)], { axis: int(axis!), keepdims: int(0) });
    define(context, node, cast(context, index, 'int32'));
  };

/** Mean of integers is a float in TF.js. */
const mean: Lowering = (node, context) => {
  const x = input(node, 0);
  if (x.dtype === 'float32') {
    reduction('ReduceMean')(node, context);
    return;
  }
  const form = identity(x.shape.length);
  const reduced = reduce('ReduceMean', node, context, cast(context, context.forms.use(x), 'float32'), form);
  define(context, node, reduced);
};

const lastAxis =
  (op: string): Lowering =>
  (node, context) =>
    define(context, node, context.builder.emit(op, [context.forms.use(input(node, 0))], { axis: int(-1) }));

const cumulativeSum: Lowering = (node, context) => {
  const { axis, exclusive, reverse } = node.attributes as {
    axis: number;
    exclusive: boolean;
    reverse: boolean;
  };
  const at = context.builder.constant({ dtype: 'int32', dims: [], data: Int32Array.of(axis) });
  define(
    context,
    node,
    context.builder.emit('CumSum', [context.forms.use(input(node, 0)), at], {
      exclusive: int(exclusive ? 1 : 0),
      reverse: int(reverse ? 1 : 0),
    }),
  );
};

const topK: Lowering = (node, context) => {
  const { k, sorted } = node.attributes as { k: number; sorted: boolean };
  const { builder, forms } = context;
  const [values, indices] = builder.emitMany(
    'TopK',
    [forms.use(input(node, 0)), builder.ints([k])],
    { axis: int(-1), sorted: int(sorted ? 1 : 0) },
    { outputs: 2 },
  );
  forms.define(output(node, 0), values!);
  forms.define(output(node, 1), cast(context, indices!, 'int32'));
};

export const REDUCTIONS: Record<string, Lowering> = {
  All: reduction('ReduceMin', 'int32'),
  Any: reduction('ReduceMax', 'int32'),
  ArgMax: argReduction('ArgMax'),
  ArgMin: argReduction('ArgMin'),
  Cumsum: cumulativeSum,
  Max: reduction('ReduceMax'),
  Mean: mean,
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  Softmax: lastAxis('Softmax'),
  Sum: reduction('ReduceSum'),
  TopK: topK,
};
