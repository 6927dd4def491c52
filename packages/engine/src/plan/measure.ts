/**
 * Times the candidates of every heavy op of a step on this machine, and keeps the fastest: what cuDNN's benchmark mode does. The three
 * ops of a convolution choose apart, and then together between that and Winograd, whose transforms they share. The plan is kept, so
 * that a shape is timed once.
 */
import { shareCommonSubexpressions } from '../graph/common-subexpressions.js';
import { flopsOf } from '../graph/flops.js';
import type { Graph, Value } from '../graph/graph.js';
import type { ConvolutionOp, HeavyOp } from '../graph/heavy-op.js';
import { type Form, NCHW, NCHWC } from '../onnx/forms.js';
import { lower } from '../onnx/lower.js';
import type { OnnxModel } from '../onnx/model.js';
import { applyPlan } from './apply.js';
import { candidatesFor, kernelFor, winogradsFor } from './candidates.js';
import { fixedCandidate } from './fixed.js';
import { ownKeyOf } from './key.js';
import type { Candidate, Plan, Precision } from './plan.js';
import { race } from './race.js';
import { entriesOf, knownEntries, type PlannedOp, type PlannedShape, shapesOf } from './shapes.js';

/** Ops of fewer operations take some microseconds whatever the kernel, and get the fixed plan's. */
const FEWEST_FLOPS = 2e6;

export interface MeasureOptions {
  /** Channels in a block of the direct kernels; null where there are none. */
  block: number | null;
  threads?: number;
  precision: Precision;
  /** Shapes that are planned already; the first that knows a shape says it all. */
  known: readonly Plan[];
}

/** The plan of a graph, and what of it was timed for it. */
export async function measurePlan(
  graph: Graph,
  options: MeasureOptions,
): Promise<{ plan: Plan; timed: Plan }> {
  const plan: Record<string, Candidate> = {};
  const timed: Record<string, Candidate> = {};
  for (const shape of shapesOf(graph)) {
    const known = options.known.map((one) => knownEntries(shape, one)).find((one) => one !== null);
    const entries = known ?? (await fastest(shape, options));
    Object.assign(plan, entries);
    if (!known) Object.assign(timed, entries);
  }
  return { plan, timed };
}

async function fastest(shape: PlannedShape, options: MeasureOptions): Promise<Plan> {
  const chosen = new Map<PlannedOp, Candidate>();
  // The gradient of the filter first: in its form the filter comes to the others.
  const last = (a: PlannedOp, b: PlannedOp) =>
    Number(isFilterGradient(b.op)) - Number(isFilterGradient(a.op));
  let form: Form | undefined;
  for (const planned of [...shape.ops].sort(last)) {
    chosen.set(planned, await fastestOf(planned, form, options));
    if (isFilterGradient(planned.op)) form = formOfGradient(planned, chosen.get(planned)!, options);
  }
  const apart = entriesOf(shape, (planned) => chosen.get(planned)!);
  const together = winogradsFor(shape.ops[0]!.op, options.precision);
  const isHeavy = shape.ops.some(({ node }) => flopsOf(node) >= FEWEST_FLOPS);
  if (together.length === 0 || !isHeavy) return apart;
  const plans = [apart, ...together.map((candidate): Plan => ({ [shape.key]: candidate }))];
  const models = plans.map((plan) => settled(graphOf(shape.ops), plan, form, options));
  return plans[await race(models, options.threads)]!;
}

const isFilterGradient = (op: HeavyOp) => op.kind !== 'product' && op.role === 'dw';

async function fastestOf(
  { op, node }: PlannedOp,
  form: Form | undefined,
  options: MeasureOptions,
): Promise<Candidate> {
  const { block, precision, threads } = options;
  const fixed = kernelFor(op, fixedCandidate(op, precision, block !== null), { block });
  const found = candidatesFor(op, { block });
  const isTimed = found.length > 1 && flopsOf(node) >= FEWEST_FLOPS;
  if (!isTimed) return found.includes(fixed) ? fixed : found[0]!;
  // What the fixed plan has comes first, and is kept where others are no faster.
  const ordered = [...found].sort((a, b) => Number(b === fixed) - Number(a === fixed));
  const models = ordered.map((candidate) =>
    settled(graphOf([{ op, node }]), { [ownKeyOf(op)]: candidate }, form, options),
  );
  return ordered[await race(models, threads)]!;
}

/** A graph of these ops alone; those of a convolution on the same x, filter and gradient. */
function graphOf(ops: readonly PlannedOp[]): Graph {
  const inputs = new Map<string, Value>();
  const outputs = new Map<string, Value>();
  const nodes = ops.map(({ op, node }) => {
    const names = namesOf(op);
    const taken = names.inputs.map((name, at) => {
      const value = inputs.get(name) ?? { ...node.inputs[at]!, id: inputs.size };
      inputs.set(name, value);
      return value;
    });
    const output = { ...node.outputs[0]!, id: -1 - outputs.size };
    outputs.set(names.output, output);
    return { ...node, inputs: taken, outputs: [output] };
  });
  return { inputs, outputs, constants: new Map(), nodes };
}

function namesOf(op: HeavyOp): { inputs: string[]; output: string } {
  if (op.kind === 'product') return { inputs: ['a', 'b'], output: 'product' };
  const names: Record<ConvolutionOp['role'], { inputs: string[]; output: string }> = {
    y: { inputs: ['x', 'w'], output: 'y' },
    dx: { inputs: ['dy', 'w'], output: 'dx' },
    dw: { inputs: ['x', 'dy'], output: 'dw' },
  };
  return names[op.role];
}

/**
 * As in a step: maps come and go as their neighbours would have them, in blocks where their channels fill some, and the filter comes
 * in the form in which its gradient is made.
 */
function settled(
  ops: Graph,
  plan: Plan,
  filterForm: Form | undefined,
  { block, threads }: MeasureOptions,
): OnnxModel {
  const graph = shareCommonSubexpressions(applyPlan(ops, plan, { block }));
  const forms = (values: ReadonlyMap<string, Value>, maps: readonly string[]) => {
    const found = new Map<string, Form>();
    for (const name of maps) {
      const value = values.get(name);
      const form = value && formOfMap(value, block);
      if (form) found.set(name, form);
    }
    return found;
  };
  const inputForms = forms(graph.inputs, ['x', 'dy']);
  if (filterForm && graph.inputs.has('w')) inputForms.set('w', filterForm);
  const outputForms = forms(graph.outputs, ['y', 'dx']);
  const made = { name: 'candidate', block, threads, inputForms, outputForms, outputsAsMade: true };
  if (!graph.outputs.has('dw')) return lower(graph, made).model;
  const own = lower(graph, made).outputForms.get('dw')!;
  if (graph.inputs.has('w')) inputForms.set('w', own);
  return lower(graph, made).model;
}

/** Undefined: as TF.js has it, which thin maps between products over rows keep. */
function formOfMap({ shape }: Value, block: number | null): Form | undefined {
  if (block === null) return NCHW;
  return shape[3]! % block === 0 ? NCHWC : undefined;
}

function formOfGradient(
  { op, node }: PlannedOp,
  candidate: Candidate,
  { block, threads }: MeasureOptions,
): Form | undefined {
  const graph = applyPlan(graphOf([{ op, node }]), { [ownKeyOf(op)]: candidate }, { block });
  return lower(graph, { name: 'gradient', block, threads }).outputForms.get('dw');
}
