/** What this machine can run steps on, why the rest cannot be used, and what `auto` takes. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { blockOfThisMachine } from '../running/blocked-probe.js';
import type { DeviceProvider } from '../running/provider.js';
import type { Answer } from './child.js';
import { providerHere } from './provider-here.js';
import { installs, mends, TENSORFLOW, type TensorFlow, tensorFlowHere } from './tensorflow.js';

export interface EngineListing {
  engine: 'compiled' | 'eager';
  /** What its work is done by: one of ONNX Runtime's providers, or a TF.js library. */
  on: 'cpu' | 'webgpu' | 'cuda' | TensorFlow;
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

type Entry = Omit<EngineListing, 'auto'>;

/** Each library is loaded in a child process of its own, so that none of them can take this one with it. */
export async function listEngines(): Promise<EngineListing[]> {
  const entries = await Promise.all([onCpu(), onWebGpu(), onCuda(), ...eagerEntries()]);
  const eager = entries.find(({ on, usable }) => on === 'tensorflow-gpu' && usable);
  const chosen = eager ?? entries.find(({ on, usable }) => on === 'cpu' && usable);
  return entries.map((entry) => ({ ...entry, auto: entry === chosen }));
}

function unusable(entry: Pick<Entry, 'engine' | 'on'>, about: string, remedy: string | null): Entry {
  return { ...entry, usable: false, about, remedy };
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
  return { ...entry, usable: true, about, remedy: null };
}

async function onWebGpu(): Promise<Entry> {
  const entry = { engine: 'compiled', on: 'webgpu' } as const;
  const answer = await providerHere('webgpu');
  if (answer.is === 'answer')
    return { ...entry, usable: true, about: 'a WebGPU adapter answers', remedy: null };
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
  const entry = { engine: 'compiled', on: 'cuda' } as const;
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return unusable(entry, 'ONNX Runtime for Node has CUDA on Linux x64 only', null);
  const answer = await providerHere('cuda');
  if (answer.is === 'answer') return { ...entry, usable: true, about: 'CUDA runs graphs', remedy: null };
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
  return { ...entry, usable: true, about: needsGpu ? 'a GPU answers' : 'on the processor', remedy: null };
}
