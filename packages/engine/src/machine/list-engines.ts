/** What this machine can run steps on, why the rest cannot be used, and what `auto` takes. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { blockOfThisMachine } from '../running/blocked-probe.js';
import type { EngineName } from '../running/engine.js';
import type { DeviceProvider, Provider } from '../running/provider.js';
import { type Adapter, adapterOf, type Traces } from './adapter.js';
import type { Answer } from './child.js';
import { providerHere } from './provider-here.js';
import { speedHere } from './speed-here.js';
import { installs, mends, TENSORFLOW, type TensorFlow, tensorFlowHere } from './tensorflow.js';

export interface EngineListing {
  /** The name by which it is asked for. */
  engine: EngineName;
  /** What its work is done by: one of ONNX Runtime's providers, or a TF.js library. */
  on: Provider | TensorFlow;
  usable: boolean;
  /** What it has, or why it cannot be used, in one line. */
  about: string;
  /** What makes it usable; null where it is, or where nothing would. */
  remedy: string | null;
  /** Whether `auto` takes it. */
  auto: boolean;
}

const CUDA_LIBRARIES =
  'npm rebuild onnxruntime-node --ignore-scripts=false --onnxruntime-node-install=cuda12 (CUDA 12 and cuDNN 9)';

export interface Entry extends Omit<EngineListing, 'auto'> {
  /** Whether `auto` may take it: the first of `AUTO_ORDER` that is worth it. */
  worth: boolean;
  /** What makes it slow, where it can be used all the same. */
  slow?: string;
}

/** Libraries made for a GPU before those that know it through WebGPU; the processor is always worth it. */
export const AUTO_ORDER: readonly EngineListing['on'][] = ['tensorflow-gpu', 'cuda', 'webgpu', 'cpu'];

/** A GPU that takes more than this share of the processor's time is not worth what a device costs besides. */
const WORTH_IT = 0.5;

/** Each library is loaded in a child process of its own, so that none of them can take this one with it. */
export async function listEngines(): Promise<EngineListing[]> {
  const probed = Promise.all([providerHere('webgpu'), providerHere('cuda')]);
  const [cpu, ...eager] = await Promise.all([onCpu(), ...eagerEntries()]);
  await probed;
  // What is timed runs alone.
  const entries = [cpu, await onWebGpu(), await onCuda(), ...eager];
  const worth = AUTO_ORDER.map((on) => entries.find((entry) => entry.on === on && entry.worth));
  const chosen = worth.find((entry) => entry !== undefined);
  return entries.map((entry) => {
    const { engine, on, usable, about, remedy } = entry;
    return { engine, on, usable, about, remedy, auto: entry === chosen };
  });
}

function unusable(entry: Pick<Entry, 'engine' | 'on'>, about: string, remedy: string | null): Entry {
  return { ...entry, usable: false, about, remedy, worth: false };
}

async function onCpu(): Promise<Entry> {
  const entry = { engine: 'compiled', on: 'cpu' } as const;
  const answer = await providerHere('cpu');
  if (answer.is === 'fault') return unusable(entry, `ONNX Runtime: ${answer.reason}`, null);
  // The library has shown in the child that it loads and runs.
  const block = await blockOfThisMachine();
  const threads = `${availableParallelism()} threads`;
  const about =
    block === null
      ? `plain convolutions, since ONNX Runtime has no blocked ones for this processor; ${threads}`
      : `blocked convolutions, ${block} channels a block; ${threads}`;
  return { ...entry, usable: true, about, remedy: null, worth: true };
}

/** A device that runs graphs. @param speed its time over the processor's; null where nobody measured, since it is no GPU */
export function deviceListing(
  provider: DeviceProvider,
  adapter: Adapter,
  speed: Answer<number> | null,
): Entry {
  const entry = { engine: provider, on: provider, usable: true, remedy: null } as const;
  if (adapter.is === 'software' || speed === null) {
    const name = adapter.is === 'software' ? adapter.name : 'unknown';
    const slow = `only a software adapter answers (${name}), which computes on the processor, many times slower than "compiled"`;
    return { ...entry, about: slow, worth: false, slow };
  }
  if (speed.is === 'fault') return unusable(entry, `a GPU answers, but ${speed.reason}`, null);
  const share = speed.value.toPrecision(2);
  if (speed.value > WORTH_IT) {
    const slow = `a GPU answers, but its matrix products take ${share} times as long as the processor's; auto takes it from ${WORTH_IT} on`;
    return { ...entry, about: slow, worth: false, slow };
  }
  const about = `a GPU answers; its matrix products take ${share} times as long as the processor's`;
  return { ...entry, about, worth: true };
}

async function listingOf(provider: DeviceProvider, traces: Traces): Promise<Entry> {
  // CUDA has no software device.
  const adapter: Adapter = provider === 'cuda' ? { is: 'gpu' } : adapterOf(traces);
  return deviceListing(provider, adapter, adapter.is === 'gpu' ? await speedHere(provider) : null);
}

async function onWebGpu(): Promise<Entry> {
  const entry = { engine: 'webgpu', on: 'webgpu' } as const;
  const answer = await providerHere('webgpu');
  if (answer.is === 'answer') return listingOf('webgpu', answer.value);
  if (!/adapter/i.test(answer.reason)) return unusable(entry, `ONNX Runtime: ${answer.reason}`, null);
  const [, why] = /^Warning: (.+)$/m.exec(answer.said) ?? [];
  return unusable(
    entry,
    `no WebGPU adapter answers${why === undefined ? '' : ` (${why.replace(/\.$/, '')})`}`,
    "a GPU with its driver; on Linux with Vulkan: apt-get install libvulkan1 and the GPU's driver",
  );
}

/** On Linux a GPU of NVIDIA's is a device file; elsewhere nothing is known before a library looks. */
function withGpuSeen(about: string): string {
  const files = ['/dev/nvidiactl', '/dev/dxg'];
  const lacks = process.platform === 'linux' && !files.some((file) => existsSync(file));
  return lacks ? `no NVIDIA GPU is seen here; ${about}` : about;
}

async function onCuda(): Promise<Entry> {
  const entry = { engine: 'cuda', on: 'cuda' } as const;
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return unusable(entry, 'ONNX Runtime for Node has CUDA on Linux x64 only', null);
  const answer = await providerHere('cuda');
  if (answer.is === 'answer') return listingOf('cuda', answer.value);
  const about = `ONNX Runtime: ${answer.reason}`;
  return unusable(entry, withGpuSeen(about), CUDA_LIBRARIES);
}

/** What runs a provider other than the processor: as in `listEngines`, for one. */
export function deviceEntry(provider: DeviceProvider): Promise<Entry> {
  switch (provider) {
    case 'webgpu':
      return onWebGpu();
    case 'cuda':
      return onCuda();
    default:
      return provider satisfies never;
  }
}

function eagerEntries(): Promise<Entry>[] {
  return (Object.keys(TENSORFLOW) as TensorFlow[]).map(async (which) =>
    eagerEntry(which, await tensorFlowHere(which)),
  );
}

/** @param answer null where the library is not installed */
export function eagerEntry(which: TensorFlow, answer: Answer<{ gpu: boolean }> | null): Entry {
  const entry = { engine: 'eager', on: which } as const;
  const name = TENSORFLOW[which];
  const needsGpu = which === 'tensorflow-gpu';
  const told = (about: string) => (needsGpu ? withGpuSeen(about) : about);
  if (answer === null) return unusable(entry, told(`${name} is not installed`), installs(which));
  if (answer.is === 'fault')
    return unusable(entry, told(`${name} is installed, but ${answer.reason}`), mends(which, answer.reason));
  if (needsGpu && !answer.value.gpu) return unusable(entry, told(`${name} loads, but finds no GPU`), null);
  const about = needsGpu ? 'a GPU answers' : 'on the processor';
  return { ...entry, usable: true, about, remedy: null, worth: needsGpu };
}
