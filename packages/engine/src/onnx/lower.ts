/** Lowers a recorded graph to ONNX, op by op; which op becomes what stands in `lowering/`. */
import { availableParallelism } from 'node:os';
import { EngineError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { NONE, type Without } from '../passes.js';
import { Builder } from './builder.js';
import { type Form, Forms, identity, Measure } from './forms.js';
import { BATCH_NORMS } from './lowering/batch-norm.js';
import { CHANNELS } from './lowering/channels.js';
import type { Context, Lowering } from './lowering/context.js';
import { CONVOLUTIONS } from './lowering/convolution.js';
import { ELEMENTWISE } from './lowering/elementwise.js';
import { LINEAR } from './lowering/linear.js';
import { LOCAL_RESPONSE } from './lowering/local-response.js';
import { PLACES } from './lowering/places.js';
import { POOLING } from './lowering/pooling.js';
import { RANDOM } from './lowering/random.js';
import { REDUCTIONS } from './lowering/reduce.js';
import { RESIZES } from './lowering/resize.js';
import { SCALED_SUMS } from './lowering/scaled-sum.js';
import { SHAPES } from './lowering/shape.js';
import { WINOGRAD } from './lowering/winograd.js';
import type { OnnxModel, OnnxPort } from './model.js';
import { tidy } from './tidy.js';

export const LOWERINGS: Readonly<Record<string, Lowering>> = {
  ...BATCH_NORMS,
  ...CHANNELS,
  ...CONVOLUTIONS,
  ...ELEMENTWISE,
  ...LINEAR,
  ...LOCAL_RESPONSE,
  ...POOLING,
  ...PLACES,
  ...RANDOM,
  ...REDUCTIONS,
  ...RESIZES,
  ...SCALED_SUMS,
  ...SHAPES,
  ...WINOGRAD,
};

export interface LowerOptions {
  name: string;
  /** Forms in which inputs are handed in; TF.js's order where none is named. */
  inputForms?: ReadonlyMap<string, Form>;
  /** Forms that outputs must have; the form in which they are made where none is named. */
  outputForms?: ReadonlyMap<string, Form>;
  portable?: boolean;
  /** Channels in a block of the direct convolutions; absent: plain ones. */
  block?: number | null;
  /** Threads that the graph will run on. Default: all. */
  threads?: number | undefined;
  metadata?: Record<string, string>;
  /** Whether outputs may stand under the sides in which they are made; the model's ports then say which. Default false. */
  outputsAsMade?: boolean;
  /** See `OnnxModel.signal`. */
  signal?: string;
  /** Default: none. */
  without?: Without;
}

export interface Lowered {
  model: OnnxModel;
  /** The form in which every output stands. */
  outputForms: Map<string, Form>;
}

/** @throws EngineError `unsupported-op` naming the op and the user's line */
export function lower(graph: Graph, options: LowerOptions): Lowered {
  const { signal, without = NONE } = options;
  const builder = new Builder(new Set([...graph.inputs.keys(), ...graph.outputs.keys()]), {
    transposesOnly: without.has('movement'),
  });
  const block = options.block ?? null;
  const measure = new Measure(block ?? 1);
  const forms = new Forms(builder, measure);
  const context: Context = {
    builder,
    forms,
    portable: options.portable ?? false,
    block,
    threads: options.threads ?? availableParallelism(),
  };
  const inputs: OnnxPort[] = [];
  for (const [name, value] of graph.inputs) {
    const form = options.inputForms?.get(name) ?? identity(value.shape.length);
    forms.define(value, name, form);
    inputs.push({ name, dtype: value.dtype, dims: measure.sides(value.shape, form) });
  }
  for (const [value, data] of graph.constants) forms.defineConstant(value, data);
  for (const node of graph.nodes) {
    const lowering = LOWERINGS[node.op];
    if (!lowering)
      throw new EngineError(
        'unsupported-op',
        `The op ${node.op}, called at ${node.line}, has no translation to ONNX. Write it with other ops, or run the step with the eager engine.`,
        { op: node.op },
      );
    builder.line = node.line;
    builder.again = node.attributes.again === true;
    lowering(node, context);
  }
  const outputs: OnnxPort[] = [];
  const outputForms = new Map<string, Form>();
  for (const [name, value] of graph.outputs) {
    const form = options.outputForms?.get(name) ?? forms.native(value);
    // An output has a name of its own, also where it is an input or another output.
    builder.nodes.push({
      op: 'Identity',
      domain: '',
      inputs: [forms.use(value, form)],
      outputs: [name],
      attributes: {},
      line: 'an output',
    });
    outputs.push({ name, dtype: value.dtype, dims: measure.sides(value.shape, form) });
    outputForms.set(name, form);
  }
  if (signal !== undefined)
    builder.nodes.push({
      ...{ op: 'SequenceEmpty', domain: '', inputs: [], outputs: [signal], attributes: {} },
      line: 'the signal',
    });
  const { nodes, initializers } = builder;
  const model: OnnxModel = {
    ...{ name: options.name, nodes, initializers, inputs, outputs, metadata: options.metadata ?? {} },
    ...(signal === undefined ? {} : { signal }),
  };
  const outputsAsMade = options.outputsAsMade ?? false;
  return { model: without.has('tidy') ? model : tidy(model, { outputsAsMade }), outputForms };
}
