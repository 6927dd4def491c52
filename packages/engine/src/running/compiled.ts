/** The compiled engine: the step is recorded once, becomes one ONNX graph, and ONNX Runtime runs it. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type * as ort from 'onnxruntime-node';
import { shareCommonSubexpressions } from '../graph/common-subexpressions.js';
import { countFlops } from '../graph/flops.js';
import { fuseChannels } from '../graph/fuse-channels.js';
import { fuseScaledSums } from '../graph/fuse-scaled-sums.js';
import type { Graph } from '../graph/graph.js';
import { optimize } from '../graph/optimize.js';
import { type Form, identity, Measure } from '../onnx/forms.js';
import { type Lowered, lower } from '../onnx/lower.js';
import { writeModel } from '../onnx/write.js';
import { NONE, type Pass, runPasses, type Without } from '../passes.js';
import { applyPlan } from '../plan/apply.js';
import { checkPlan } from '../plan/candidates.js';
import { fixedPlan } from '../plan/fixed.js';
import { keep, readKept } from '../plan/kept.js';
import { measurePlan } from '../plan/measure.js';
import { type Candidate, type Plan, type Precision, tileSizeOf } from '../plan/plan.js';
import { knownEntries, shapesOf } from '../plan/shapes.js';
import { record } from '../recording/record.js';
import {
  allocate,
  type HostTensors,
  type StepFunction,
  sizeOf,
  type TensorData,
  type TensorSpec,
} from '../tensors.js';
import { blockOfThisMachine } from './blocked-probe.js';
import { fromForm, wrap } from './buffers.js';
import { checkTensors, type Engine, type Step, specsOf } from './engine.js';
import { runInPlace, SIGNAL } from './in-place.js';
import { BATCH, METRIC, NEXT, pick, prefixed, STATE } from './names.js';
import { inTermsOf, openSession } from './session.js';
import { type LoweredStep, StepCache } from './step-cache.js';
import { stepKey } from './step-key.js';
import { checkResult } from './step-result.js';
import { stackedSpecs, unrollStep } from './unrolled.js';

/** In the cache folder: which kernels were the fastest here. */
const KERNELS_FILE = 'kernels.json';

/** Forms settle after two rounds where filters meet convolutions; more would mean that two ops pull at one tensor. */
const FORM_ROUNDS = 4;

export function recordStep(
  step: StepFunction,
  state: Record<string, TensorSpec>,
  batch: Record<string, TensorSpec>,
  without: Without = NONE,
): Graph {
  const graph = record(
    (inputs) => {
      const { state: next, metrics } = checkResult(step(pick(STATE, inputs), pick(BATCH, inputs)), state);
      return { ...prefixed(NEXT, next), ...prefixed(METRIC, metrics) };
    },
    { inputs: { ...prefixed(STATE, state), ...prefixed(BATCH, batch) } },
  );
  return optimize(graph, without);
}

/** A step as a model, and the forms in which its state goes in and comes out. */
type StepModel = Lowered & { stateForms: Map<string, Form> };

/**
 * Lowers the step so that its state comes out in the forms in which it goes in. Filters, their moments and averages
 * then stay in the order that convolutions want, and nothing is transposed from step to step. Measured gain: case `state-forms` of
 * `npm run bench -- passes`.
 */
export function lowerStep(
  graph: Graph,
  {
    block,
    threads,
    signal,
    portable = false,
    without = NONE,
  }: {
    block: number | null;
    threads?: number | undefined;
    signal?: string;
    portable?: boolean;
    without?: Without;
  },
): StepModel {
  const options = { name: 'step', block, threads, portable, without };
  const stateForms = new Map<string, Form>();
  for (const [name, value] of graph.inputs)
    if (name.startsWith(STATE)) stateForms.set(name.slice(STATE.length), identity(value.shape.length));
  const forms = (prefix: string) => new Map([...stateForms].map(([name, form]) => [prefix + name, form]));
  const rounds = without.has('state-forms') ? 0 : FORM_ROUNDS;
  for (let round = 0; round < rounds; round++) {
    const { outputForms } = lower(graph, { ...options, inputForms: forms(STATE) });
    let settled = true;
    for (const [name, form] of outputForms) {
      if (!name.startsWith(NEXT)) continue;
      const key = name.slice(NEXT.length);
      if (String(stateForms.get(key)) === String(form)) continue;
      stateForms.set(key, form);
      settled = false;
    }
    if (settled) break;
  }
  const outputForms = forms(NEXT);
  for (const [name, value] of graph.outputs)
    if (name.startsWith(METRIC)) outputForms.set(name, identity(value.shape.length));
  return {
    ...lower(graph, {
      ...options,
      inputForms: forms(STATE),
      outputForms,
      ...(signal === undefined ? {} : { signal }),
      outputsAsMade: true,
    }),
    stateForms,
  };
}

/** The plan with the direct kernels in place of Winograd's. */
function withoutTiles(plan: Plan): Plan {
  const kernels = Object.entries(plan).map(
    ([key, kernel]) => [key, tileSizeOf(kernel) === null ? kernel : 'direct'] as const,
  );
  return Object.fromEntries(kernels);
}

/** The passes that know which kernels there are. */
function chooseKernels(graph: Graph, block: number | null, plan: Plan, without: Without): Graph {
  const joined =
    block === null
      ? graph
      : runPasses(
          graph,
          [
            ['fuse-channels', (before) => fuseChannels(before, block)],
            ['fuse-scaled-sums', (before) => fuseScaledSums(before, block)],
          ],
          without,
        );
  const kernels = without.has('winograd') ? withoutTiles(plan) : plan;
  const winograd = without.has('transforms-again') ? { againFrom: Number.POSITIVE_INFINITY } : {};
  const planned = applyPlan(joined, kernels, { block }, winograd);
  return runPasses(planned, [['common-subexpressions', shareCommonSubexpressions]], without);
}

function asLowered({ model, stateForms }: StepModel): LoweredStep {
  return { bytes: writeModel(model), outputs: model.outputs, stateForms };
}

/** A tensor of the state as it goes into a step, and as it comes out: one memory, under the sides that each side declares. */
interface Slot {
  input: ort.Tensor;
  output: ort.Tensor;
}

/** The arrays of the tensors by name; one that several share, as a network that begins as a copy does, goes to the first. */
function memoryOf(tensors: HostTensors): Map<string, TensorData> {
  const seen = new Set<TensorData>();
  return new Map(
    Object.entries(tensors).flatMap(([name, { data }]) => {
      if (seen.has(data)) return [];
      seen.add(data);
      return [[name, data] as const];
    }),
  );
}

interface CompiledParts {
  session: ort.InferenceSession;
  /** As recorded, before kernels were chosen. */
  graph: Graph;
  plan: Plan;
  lowered: Pick<LoweredStep, 'outputs' | 'stateForms'>;
  stateSpecs: Record<string, TensorSpec>;
  batchSpecs: Record<string, TensorSpec>;
  measure: Measure;
  inPlace: boolean;
  /** Tensors whose memory may be written to: the state that the step begins with, once it is loaded. */
  taken: HostTensors;
}

class CompiledStep implements Step {
  private current: Record<string, Slot> = {};
  private spare: Record<string, Slot> = {};
  private readonly advancing: string[];
  private readonly metricSpecs: Record<string, TensorSpec>;
  private readonly outputSides: ReadonlyMap<string, readonly number[]>;
  readonly flops: number;
  readonly plan: Plan;
  private readonly parts: Omit<CompiledParts, 'graph' | 'plan' | 'taken'>;

  constructor({ graph, plan, taken, ...parts }: CompiledParts) {
    const { lowered } = parts;
    this.parts = parts;
    this.flops = countFlops(graph);
    this.plan = plan;
    this.outputSides = new Map(lowered.outputs.map(({ name, dims }) => [name, dims as readonly number[]]));
    const outputs = Object.fromEntries(graph.outputs);
    this.advancing = Object.keys(pick(NEXT, outputs));
    this.metricSpecs = Object.fromEntries(
      Object.entries(pick(METRIC, outputs)).map(([name, { shape, dtype }]) => [
        name,
        { shape: [...shape], dtype },
      ]),
    );
    const memory = memoryOf(taken);
    for (const name of this.advancing) {
      const { dtype, shape } = parts.stateSpecs[name]!;
      this.spare[name] = this.slot(name, memory.get(name) ?? allocate(dtype, sizeOf(shape)));
    }
  }

  private form(name: string): Form {
    return this.parts.lowered.stateForms.get(name)!;
  }

  private slot(name: string, data: TensorData): Slot {
    const { dtype, shape } = this.parts.stateSpecs[name]!;
    const sides = this.parts.measure.sides(shape, this.form(name));
    return {
      input: wrap(dtype, data, sides),
      output: wrap(dtype, data, this.outputSides.get(NEXT + name) ?? sides),
    };
  }

  async run(batch: HostTensors): Promise<HostTensors> {
    checkTensors('batch', batch, this.parts.batchSpecs);
    const feeds: Record<string, ort.Tensor> = {};
    for (const name of Object.keys(this.parts.stateSpecs)) feeds[STATE + name] = this.current[name]!.input;
    for (const [name, { dtype, shape, data }] of Object.entries(batch))
      feeds[BATCH + name] = wrap(dtype, data, shape);
    const fetches: Record<string, ort.Tensor> = {};
    for (const name of this.advancing) fetches[NEXT + name] = this.spare[name]!.output;
    const metrics: HostTensors = {};
    for (const [name, { dtype, shape }] of Object.entries(this.metricSpecs)) {
      const data = allocate(dtype, sizeOf(shape));
      metrics[name] = { dtype, shape, data };
      fetches[METRIC + name] = wrap(dtype, data, this.outputSides.get(METRIC + name)!);
    }
    const { session, inPlace } = this.parts;
    await (inPlace ? runInPlace(session, feeds, fetches) : session.run(feeds, fetches));
    for (const name of this.advancing) {
      const read = this.current[name]!;
      this.current[name] = this.spare[name]!;
      this.spare[name] = read;
    }
    return metrics;
  }

  async state(): Promise<HostTensors> {
    return Object.fromEntries(
      Object.entries(this.parts.stateSpecs).map(([name, spec]) => [
        name,
        fromForm(this.current[name]!.input, spec, this.form(name), this.parts.measure),
      ]),
    );
  }

  load(state: HostTensors): void {
    checkTensors('state', state, this.parts.stateSpecs);
    for (const [name, { data, shape }] of Object.entries(state)) {
      const form = this.form(name);
      this.current[name] = this.slot(
        name,
        this.parts.measure.convert(data, shape, identity(shape.length), form),
      );
    }
  }

  async dispose(): Promise<void> {
    await this.parts.session.release();
    this.current = {};
    this.spare = {};
  }
}

export interface CompiledOptions {
  threads?: number;
  /** Use ONNX Runtime's blocked convolutions where this machine has them. Default true. */
  blocked?: boolean;
  /** Default: fixed. */
  plan?: 'fixed' | 'measured' | Plan;
  /** Default: fast. */
  precision?: Precision;
  /** Folder where lowered steps and measured plans outlive the process; absent: they are kept in memory alone. */
  cacheFolder?: string;
  /** Passes to leave out, for the bench and the tests. Default: none. */
  without?: readonly Pass[];
}

export async function createCompiledEngine({
  threads,
  blocked = true,
  plan: wanted = 'fixed',
  precision = 'fast',
  cacheFolder,
  without: leftOut = [],
}: CompiledOptions): Promise<Engine> {
  const without: Without = new Set(leftOut);
  const inPlace = !without.has('in-place');
  const block = blocked ? await blockOfThisMachine() : null;
  const onThreads = threads === undefined ? {} : { threads };
  const cache = new StepCache(cacheFolder ?? null);
  const setting = { block, threads: threads ?? availableParallelism(), precision };
  const kept = cacheFolder === undefined ? null : join(cacheFolder, KERNELS_FILE);
  /** What was timed for steps before. */
  const measured: Record<string, Candidate> =
    wanted === 'measured' && kept ? await readKept(kept, setting) : {};
  const planFor = async (graph: Graph, given: Plan): Promise<Plan> => {
    const shapes = shapesOf(graph);
    const ops = shapes.flatMap((shape) => shape.ops.map(({ op }) => op));
    const fixed = fixedPlan(graph, precision, block !== null);
    const plans = typeof wanted === 'string' ? [given] : [given, wanted];
    for (const plan of plans) checkPlan(ops, plan);
    if (wanted === 'measured') {
      const found = await measurePlan(graph, { block, precision, known: [given, measured], ...onThreads });
      Object.assign(measured, found.timed);
      if (kept && Object.keys(found.timed).length > 0) await keep(kept, setting, found.timed);
      return found.plan;
    }
    // Shape by shape: a plan's entry for a convolution holds for its gradients too.
    const known = shapes.map((shape) => [...plans, fixed].map((plan) => knownEntries(shape, plan)));
    return Object.assign({}, ...known.map((each) => each.find((entries) => entries !== null)));
  };
  return {
    name: 'compiled',
    copiesState: false,
    async compile(step, state, batch, { unroll = 1, takeState = false, plan: given = {} } = {}) {
      const specs = specsOf(state);
      const graph = unrollStep(recordStep(step, specs, batch, without), unroll);
      const plan = await planFor(graph, given);
      const key = stepKey(graph, { block, threads: threads ?? availableParallelism(), plan, without });
      const sessionOptions = { ...onThreads, finished: block !== null };
      const cached = await cache.get(key);
      const lowering = { block, threads, without, ...(inPlace ? { signal: SIGNAL } : {}) };
      const made = cached ? null : lowerStep(chooseKernels(graph, block, plan, without), lowering);
      const lowered = cached ?? asLowered(made!);
      const session = await openSession(lowered.bytes, sessionOptions).catch((error: unknown) => {
        throw made ? inTermsOf(made.model, error) : error;
      });
      if (made) await cache.put(key, lowered);
      const compiled = new CompiledStep({
        ...{ session, graph, plan, stateSpecs: specs },
        // Without its bytes, which ONNX Runtime has made its own of.
        lowered: { outputs: lowered.outputs, stateForms: lowered.stateForms },
        batchSpecs: stackedSpecs(batch, unroll),
        measure: new Measure(block ?? 1),
        inPlace,
        taken: takeState ? state : {},
      });
      compiled.load(state);
      return compiled;
    },
    async dispose() {
      // Sessions belong to their steps.
    },
  };
}
