/** The eager engine: the same step, op by op, on whichever TF.js backend is installed. */
import { createRequire } from 'node:module';
import type { Tensor } from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import { countFlops } from '../graph/flops.js';
import { eagerLibrary } from '../machine/tensorflow.js';
import type { HostTensor, HostTensors, StepFunction, TensorSpec, Tensors } from '../tensors.js';
import { tf } from '../tf.js';
import { recordStep } from './compiled.js';
import { checkTensors, type Engine, type Step, specsOf } from './engine.js';
import { checkResult } from './step-result.js';
import { calledInTurn } from './unrolled.js';

const require = createRequire(import.meta.url);

/** TF.js's own backend in JavaScript, for tests and comparisons. */
const PLAIN = '@tensorflow/tfjs-backend-cpu';

/** Loads what brings the backend, and says its name. A native library is loaded only where it has loaded in a child before. */
async function loadBackend(wanted: string | undefined): Promise<string> {
  if (wanted === 'cpu') {
    require(PLAIN);
    return 'cpu';
  }
  if (wanted !== undefined) return wanted;
  require(await eagerLibrary());
  return 'tensorflow';
}

async function download(tensor: Tensor): Promise<HostTensor> {
  const data = await tensor.data();
  return {
    shape: tensor.shape,
    dtype: tensor.dtype as TensorSpec['dtype'],
    data: data.slice() as HostTensor['data'],
  };
}

const upload = ({ data, shape, dtype }: HostTensor): Tensor => tf.tensor(data, shape, dtype);

class EagerStep implements Step {
  readonly plan = {};
  private current: Tensors = {};

  constructor(
    private readonly backend: string,
    private readonly step: StepFunction,
    private readonly stateSpecs: Record<string, TensorSpec>,
    private readonly batchSpecs: Record<string, TensorSpec>,
    readonly flops: number,
  ) {}

  async run(batch: HostTensors): Promise<HostTensors> {
    checkTensors('batch', batch, this.batchSpecs);
    await tf.setBackend(this.backend);
    const uploaded: Tensors = {};
    for (const [name, tensor] of Object.entries(batch)) uploaded[name] = upload(tensor);
    const kept = tf.tidy(() => {
      const { state, metrics } = checkResult(this.step({ ...this.current }, uploaded), this.stateSpecs);
      // A step may return a tensor that it was given; a clone may be disposed on its own.
      const clones = (tensors: Tensors) =>
        Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.clone()]));
      return { next: clones(state), metrics: clones(metrics) };
    });
    for (const [name, tensor] of Object.entries(kept.next)) {
      this.current[name]!.dispose();
      this.current[name] = tensor;
    }
    const result: HostTensors = {};
    for (const [name, tensor] of Object.entries(kept.metrics)) {
      result[name] = await download(tensor);
      tensor.dispose();
    }
    for (const tensor of Object.values(uploaded)) if (!tensor.isDisposed) tensor.dispose();
    return result;
  }

  async state(): Promise<HostTensors> {
    const result: HostTensors = {};
    for (const [name, tensor] of Object.entries(this.current)) result[name] = await download(tensor);
    return result;
  }

  load(state: HostTensors): void {
    checkTensors('state', state, this.stateSpecs);
    for (const [name, tensor] of Object.entries(state)) {
      this.current[name]?.dispose();
      this.current[name] = upload(tensor);
    }
  }

  async dispose(): Promise<void> {
    for (const tensor of Object.values(this.current)) tensor.dispose();
    this.current = {};
  }
}

/** @param options.backend a registered TF.js backend; absent: tfjs-node-gpu, else tfjs-node */
export async function createEagerEngine(options: { backend?: string }): Promise<Engine> {
  const backend = await loadBackend(options.backend);
  if (!(await tf.setBackend(backend)))
    throw new EngineError('engine-unavailable', `The TF.js backend "${backend}" did not start.`);
  return {
    name: 'eager',
    copiesState: false,
    async compile(step, state, batch, { unroll = 1 } = {}) {
      const specs = specsOf(state);
      // Recorded once all the same: it counts the operations and refuses a step that the other engine could not run.
      const flops = countFlops(recordStep(step, specs, batch));
      await tf.setBackend(backend);
      const eager = new EagerStep(backend, step, specs, batch, flops);
      eager.load(state);
      return calledInTurn(eager, unroll);
    },
    async dispose() {
      // TF.js keeps its backends for the life of the process.
    },
  };
}
