/** Chooses the engine. */
import { EngineError } from '../errors.js';
import { deviceEntry, eagerEntry } from '../machine/list-engines.js';
import { tensorFlowHere } from '../machine/tensorflow.js';
import { type CompiledOptions, createCompiledEngine } from './compiled.js';
import { createDeviceEngine } from './device.js';
import { createEagerEngine } from './eager.js';
import type { Engine } from './engine.js';
import { guarded } from './guard.js';
import { type DeviceProvider, PROVIDERS, type Provider } from './provider.js';

const ENGINES = ['auto', 'compiled', 'eager'] as const;

export interface EngineOptions {
  /** `auto`, the default, takes tfjs-node-gpu where a GPU answers, else compiled. */
  engine?: (typeof ENGINES)[number];
  /** Threads of one step; all processors where absent. */
  threads?: number;
  /** Whether the compiled engine may use ONNX Runtime's blocked convolutions. Default true. */
  blocked?: boolean;
  /**
   * Which kernels the compiled engine takes for convolutions and matrix products. `fixed`: the same on every machine. `measured`: the fastest here,
   * which are timed once a shape. A plan: what it says, for runs that are to be repeated; the fixed one for the rest.
   */
  plan?: CompiledOptions['plan'];
  /** `strict` leaves out the least accurate kernels. Default `fast`. */
  precision?: CompiledOptions['precision'];
  /** Folder in which the compiled engine's steps, and the kernels that were the fastest here, outlive the process. */
  cacheFolder?: string;
  /** What runs the compiled engine's graphs. Default: the processor, `cpu`. */
  provider?: Provider;
  /** TF.js backend of the eager engine. */
  backend?: string;
}

/**
 * Whether `auto` takes the eager engine. Whoever has installed its library for GPUs and gets the processor all the same is told.
 */
async function takesGpu(): Promise<boolean> {
  const answer = await tensorFlowHere('tensorflow-gpu');
  if (answer === null) return false;
  const { usable, about } = eagerEntry('tensorflow-gpu', answer);
  if (!usable)
    process.emitWarning(
      `The engine "auto" takes the processor: ${about}. Steps take as long as on a machine without a GPU.`,
      { type: 'SlowEngine', code: 'ENGINE_WITHOUT_GPU' },
    );
  return usable;
}

async function createOnDevice(provider: DeviceProvider): Promise<Engine> {
  const { usable, about, remedy } = await deviceEntry(provider);
  if (!usable)
    throw new EngineError(
      'engine-unavailable',
      `The provider "${provider}" cannot be used: ${about}.${remedy === null ? '' : ` It needs: ${remedy}.`}`,
    );
  return createDeviceEngine(provider);
}

/**
 * @throws EngineError `engine-unavailable` with what is missing and the command that installs it, `bad-option` for options that do
 * not go together
 */
export async function createEngine({
  engine = 'auto',
  threads,
  backend,
  blocked = true,
  plan,
  precision,
  cacheFolder,
  provider = 'cpu',
}: EngineOptions): Promise<Engine> {
  if (!PROVIDERS.includes(provider))
    throw new EngineError('bad-option', `The provider is one of ${PROVIDERS.join(', ')}, not "${provider}".`);
  if (!ENGINES.includes(engine))
    throw new EngineError('bad-option', `The engine is one of ${ENGINES.join(', ')}, not "${engine}".`);
  if (engine === 'eager' && provider !== 'cpu')
    throw new EngineError(
      'bad-option',
      'A provider is what runs compiled graphs. The eager engine runs on its TF.js backend: leave the provider out.',
    );
  if (engine === 'eager' || (engine === 'auto' && provider === 'cpu' && (await takesGpu())))
    return guarded(await createEagerEngine(backend === undefined ? {} : { backend }));
  if (provider !== 'cpu') return guarded(await createOnDevice(provider));
  const compiled = await createCompiledEngine({
    blocked,
    ...(threads === undefined ? {} : { threads }),
    ...(plan === undefined ? {} : { plan }),
    ...(precision === undefined ? {} : { precision }),
    ...(cacheFolder === undefined ? {} : { cacheFolder }),
  });
  return guarded(compiled);
}
