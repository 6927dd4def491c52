/**
 * The compiled engine on a device: the same graph on another of ONNX Runtime's providers, in plain layouts, with the state kept on
 * the device from step to step where the Node binding can do that.
 */
import type * as ort from 'onnxruntime-node';
import { countFlops } from '../graph/flops.js';
import { type Form, identity, Measure } from '../onnx/forms.js';
import type { OnnxModel } from '../onnx/model.js';
import { nodesOffDevice, type OffDevice } from '../onnx/off-device.js';
import { nodeName } from '../onnx/write.js';
import { applyPlan } from '../plan/apply.js';
import { fixedPlan } from '../plan/fixed.js';
import type { HostTensors, TensorData, TensorSpec } from '../tensors.js';
import { fromForm, wrap } from './buffers.js';
import { lowerStep, recordStep } from './compiled.js';
import { checkTensors, type Engine, type Step, specsOf } from './engine.js';
import { BATCH, METRIC, NEXT, pick, STATE } from './names.js';
import { type DeviceProvider, keepsTensors } from './provider.js';
import { inTermsOf, openSession } from './session.js';
import { Transfer } from './transfer.js';
import { stackedSpecs, unrollStep } from './unrolled.js';

/** Whole axes only: the blocked convolutions are the processor's. */
const MEASURE = new Measure(1);

interface DeviceStepParts {
  session: ort.InferenceSession;
  model: OnnxModel;
  /** Null where the state goes through the host in every run. */
  transfer: Transfer | null;
  stateSpecs: Record<string, TensorSpec>;
  stateForms: ReadonlyMap<string, Form>;
  batchSpecs: Record<string, TensorSpec>;
  metricSpecs: Record<string, TensorSpec>;
  /** Keys of the state that the step returns. */
  advancing: readonly string[];
  flops: number;
}

/** Tensors of the state are on the host after `load`, and on the device from the next run on. */
class DeviceStep implements Step {
  readonly plan = {};
  private current: Record<string, ort.Tensor> = {};

  constructor(private readonly parts: DeviceStepParts) {}

  get flops() {
    return this.parts.flops;
  }

  async run(batch: HostTensors): Promise<HostTensors> {
    const { session, model, transfer, batchSpecs, metricSpecs, advancing } = this.parts;
    checkTensors('batch', batch, batchSpecs);
    if (transfer) this.current = await transfer.toDevice(this.current);
    const feeds: Record<string, ort.Tensor> = {};
    for (const [name, tensor] of Object.entries(this.current)) feeds[STATE + name] = tensor;
    for (const [name, { dtype, shape, data }] of Object.entries(batch))
      feeds[BATCH + name] = wrap(dtype, data, shape);
    const results = await session.run(feeds).catch((error: unknown) => {
      throw inTermsOf(model, error);
    });
    for (const name of advancing) {
      this.current[name]!.dispose();
      this.current[name] = results[NEXT + name]!;
    }
    return Object.fromEntries(
      Object.entries(metricSpecs).map(([name, { shape, dtype }]) => [
        name,
        { shape: [...shape], dtype, data: results[METRIC + name]!.data as TensorData },
      ]),
    );
  }

  async state(): Promise<HostTensors> {
    const { transfer, stateSpecs, stateForms } = this.parts;
    const tensors = transfer ? await transfer.toHost(this.current) : this.current;
    return Object.fromEntries(
      Object.entries(stateSpecs).map(([name, spec]) => [
        name,
        fromForm(tensors[name]!, spec, stateForms.get(name)!, MEASURE),
      ]),
    );
  }

  load(state: HostTensors): void {
    checkTensors('state', state, this.parts.stateSpecs);
    for (const [name, { dtype, shape, data }] of Object.entries(state)) {
      const form = this.parts.stateForms.get(name)!;
      this.current[name]?.dispose();
      const converted = MEASURE.convert(data, shape, identity(shape.length), form);
      this.current[name] = wrap(dtype, converted, MEASURE.sides(shape, form));
    }
  }

  async dispose(): Promise<void> {
    for (const tensor of Object.values(this.current)) tensor.dispose();
    this.current = {};
    await this.parts.transfer?.dispose();
    await this.parts.session.release();
  }
}

/** A fallback is told with its cost, once a step. */
function warnOfCopies(off: readonly OffDevice[], nodes: number): void {
  const lines = new Map(off.map(({ node }) => [node.op, node.line]));
  const ops = [...lines].map(([op, line]) => `${op} (${line})`).join(', ');
  process.emitWarning(
    `${off.length} of the step's ${nodes} ONNX nodes run on the processor, since ONNX Runtime's WebGPU provider does not run them rightly: ${ops}. Their tensors are copied to the host and back in every run.`,
    { type: 'SlowEngine', code: 'ENGINE_OFF_DEVICE' },
  );
}

export function createDeviceEngine(provider: DeviceProvider): Engine {
  return {
    name: provider,
    copiesState: !keepsTensors(provider),
    async compile(step, state, batch, { unroll = 1 } = {}) {
      const stateSpecs = specsOf(state);
      const graph = unrollStep(recordStep(step, stateSpecs, batch), unroll);
      const { model, stateForms } = lowerStep(
        applyPlan(graph, fixedPlan(graph, 'fast', false), { block: null }),
        {
          ...{ block: null, portable: true },
        },
      );
      const off = provider === 'webgpu' ? nodesOffDevice(model) : [];
      if (off.length > 0) warnOfCopies(off, model.nodes.length);
      const outputs = Object.fromEntries(graph.outputs);
      const advancing = Object.keys(pick(NEXT, outputs));
      const stays = keepsTensors(provider);
      const session = await openSession(model, {
        provider,
        finished: false,
        offDevice: off.filter((one) => one.mustBeForced).map(({ node, index }) => nodeName(node, index)),
        onDevice: stays ? advancing.map((name) => NEXT + name) : [],
      });
      const sides = Object.fromEntries(
        [...stateForms].map(([name, form]) => [name, MEASURE.sides(stateSpecs[name]!.shape, form)]),
      );
      const ready = new DeviceStep({
        session,
        model,
        transfer: stays ? new Transfer(provider, stateSpecs, sides) : null,
        stateSpecs,
        stateForms,
        batchSpecs: stackedSpecs(batch, unroll),
        metricSpecs: pick(METRIC, outputs) as unknown as Record<string, TensorSpec>,
        advancing,
        flops: countFlops(graph),
      });
      ready.load(state);
      return ready;
    },
    async dispose() {
      // Sessions belong to their steps.
    },
  };
}
