/**
 * Moves tensors between host and device. The Node binding has no call for that (`getData` of a device tensor is not implemented in
 * onnxruntime-node 1.30), so two graphs of identities do it: one leaves its outputs on the device, the other on the host.
 */
import type * as ort from 'onnxruntime-node';
import type { OnnxModel } from '../onnx/model.js';
import type { TensorSpec } from '../tensors.js';
import type { DeviceProvider } from './provider.js';
import { openSession } from './session.js';

const FROM = 'from:';
const TO = 'to:';

type Tensors = Record<string, ort.Tensor>;

export class Transfer {
  private up: Promise<ort.InferenceSession> | undefined;
  private down: Promise<ort.InferenceSession> | undefined;

  /** @param sides of the tensors as they stand in memory */
  constructor(
    private readonly provider: DeviceProvider,
    private readonly specs: Record<string, TensorSpec>,
    private readonly sides: Record<string, readonly number[]>,
  ) {}

  /** The same tensors on the device; those that are there already are handed through. */
  async toDevice(tensors: Tensors): Promise<Tensors> {
    if (Object.values(tensors).every(({ location }) => location !== 'cpu')) return tensors;
    this.up ??= this.open(Object.keys(this.specs).map((name) => TO + name));
    const moved = await copied(await this.up, tensors);
    for (const tensor of Object.values(tensors)) tensor.dispose();
    return moved;
  }

  /** The same tensors on the host; the device keeps its own. */
  async toHost(tensors: Tensors): Promise<Tensors> {
    if (Object.values(tensors).every(({ location }) => location === 'cpu')) return tensors;
    this.down ??= this.open([]);
    return copied(await this.down, tensors);
  }

  async dispose(): Promise<void> {
    for (const session of [this.up, this.down]) await (await session)?.release();
  }

  private open(onDevice: readonly string[]): Promise<ort.InferenceSession> {
    const ports = (prefix: string) =>
      Object.entries(this.specs).map(([name, { dtype }]) => ({
        name: prefix + name,
        dtype,
        dims: this.sides[name]!,
      }));
    const model: OnnxModel = {
      name: 'transfer',
      nodes: Object.keys(this.specs).map((name) => ({
        ...{ op: 'Identity', domain: '', inputs: [FROM + name], outputs: [TO + name], attributes: {} },
        line: 'the state',
      })),
      initializers: new Map(),
      inputs: ports(FROM),
      outputs: ports(TO),
      metadata: {},
    };
    return openSession(model, { provider: this.provider, finished: true, onDevice });
  }
}

async function copied(session: ort.InferenceSession, tensors: Tensors): Promise<Tensors> {
  const entries = Object.entries(tensors);
  const results = await session.run(
    Object.fromEntries(entries.map(([name, tensor]) => [FROM + name, tensor])),
  );
  return Object.fromEntries(entries.map(([name]) => [name, results[TO + name] as ort.Tensor]));
}
