/**
 * Times the candidates of every convolution of a step, forward and both gradients together, on this machine, and keeps the
 * fastest: what cuDNN's benchmark mode does. Each shape takes about a second, once: the plan is kept.
 */
import * as ort from 'onnxruntime-node';
import { shareCommonSubexpressions } from '../graph/common-subexpressions.js';
import type { Graph, GraphNode, Value } from '../graph/graph.js';
import { applyWinograd, type ConvolutionShape } from '../graph/winograd.js';
import { type Form, NCHWC } from '../onnx/forms.js';
import { lower } from '../onnx/lower.js';
import { openSession } from '../running/session.js';
import { sizeOf } from '../tensors.js';
import { type Candidate, candidatesOf, type Plan, type Precision, planKey, tileSizeOf } from './plan.js';
import { shapesOf } from './shapes.js';

/** Runs of a candidate: at least these many, and more while they are short. */
const FEWEST_RUNS = 3;
const MOST_RUNS = 10;
const ENOUGH_MS = 250;
/** Another candidate has to be faster than the more accurate one by this much. */
const MARGIN = 0.97;

export interface MeasureOptions {
  block: number;
  threads?: number;
  precision: Precision;
  /** Shapes that are planned already. */
  known: Plan;
}

/** The plan of a graph's convolutions: what `known` says, the rest timed. */
export async function measurePlan(graph: Graph, options: MeasureOptions): Promise<Plan> {
  const plan: Record<string, Candidate> = {};
  for (const { shape, nodes } of shapesOf(graph)) {
    const key = planKey(shape);
    plan[key] = options.known[key] ?? (await fastest(shape, nodes, options));
  }
  return plan;
}

async function fastest(
  shape: ConvolutionShape,
  nodes: GraphNode[],
  options: MeasureOptions,
): Promise<Candidate> {
  let best: { candidate: Candidate; milliseconds: number } | null = null;
  for (const candidate of candidatesOf(options.precision)) {
    const milliseconds = await time(trioOf(shape, nodes), candidate, options);
    if (!best || milliseconds < MARGIN * best.milliseconds) best = { candidate, milliseconds };
  }
  return best!.candidate;
}

/** A graph of the ops alone, on the same x, filter and gradient. */
function trioOf({ images, height, width, channels, filters }: ConvolutionShape, nodes: GraphNode[]): Graph {
  const value = (id: number, shape: number[]): Value => ({ id, shape, dtype: 'float32' });
  const x = value(0, [images, height, width, channels]);
  const filter = value(1, [3, 3, channels, filters]);
  const dy = value(2, [images, height, width, filters]);
  const roles: Record<string, { inputs: Value[]; output: Value; name: string }> = {
    Conv2D: { inputs: [x, filter], output: value(3, [...dy.shape]), name: 'y' },
    Conv2DBackpropInput: { inputs: [dy, filter], output: value(4, [...x.shape]), name: 'dx' },
    Conv2DBackpropFilter: { inputs: [x, dy], output: value(5, [...filter.shape]), name: 'dw' },
  };
  const used = nodes.map((node) => ({ node, role: roles[node.op]! }));
  const given: [string, Value][] = [
    ['x', x],
    ['w', filter],
    ['dy', dy],
  ];
  return {
    inputs: new Map(given.filter(([, one]) => used.some(({ role }) => role.inputs.includes(one)))),
    outputs: new Map(used.map(({ role }) => [role.name, role.output])),
    constants: new Map(),
    nodes: used.map(({ node, role }) => ({ ...node, inputs: role.inputs, outputs: [role.output] })),
  };
}

async function time(trio: Graph, candidate: Candidate, { block, threads }: MeasureOptions): Promise<number> {
  const graph = shareCommonSubexpressions(applyWinograd(trio, () => tileSizeOf(candidate)));
  const model = settled(graph, block, threads);
  const session = await openSession(model, { finished: true, ...(threads === undefined ? {} : { threads }) });
  try {
    const feeds = Object.fromEntries(
      model.inputs.map(({ name, dims }) => {
        const sides = dims as number[];
        const data = new Float32Array(sizeOf(sides)).fill(0.1);
        return [name, new ort.Tensor('float32', data, sides)];
      }),
    );
    let best = Number.POSITIVE_INFINITY;
    const began = performance.now();
    for (let run = 0; run < MOST_RUNS; run++) {
      if (run >= FEWEST_RUNS && performance.now() - began > ENOUGH_MS) break;
      const start = performance.now();
      await session.run(feeds);
      best = Math.min(best, performance.now() - start);
    }
    return best;
  } finally {
    await session.release();
  }
}

/** As in a step: maps come and go in blocks of channels, and the filter comes in the form in which its gradient is made. */
function settled(graph: Graph, block: number, threads: number | undefined) {
  const blocked = ({ shape }: Value) => shape.length === 4 && shape[3]! % block === 0;
  const forms = (names: string[], from: ReadonlyMap<string, Value>) => {
    const found = new Map<string, Form>();
    for (const name of names) {
      const value = from.get(name);
      if (value && blocked(value)) found.set(name, NCHWC);
    }
    return found;
  };
  const outputForms = forms(['y', 'dx'], graph.outputs);
  const inputForms = forms(['x', 'dy'], graph.inputs);
  const options = { name: 'candidate', block, threads, inputForms, outputForms };
  const made = lower(graph, options).outputForms.get('dw');
  if (made && graph.inputs.has('w')) inputForms.set('w', made);
  return lower(graph, options).model;
}
