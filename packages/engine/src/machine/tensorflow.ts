/** The eager engine's libraries: which of them load here, and whether one finds a GPU. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { EngineError } from '../errors.js';
import { type Answer, askChild, PACKAGE_FOLDER } from './child.js';

/** Packages that bring TF.js's native backend, both optional peers. */
export const TENSORFLOW = {
  'tensorflow-gpu': '@tensorflow/tfjs-node-gpu',
  tensorflow: '@tensorflow/tfjs-node',
} as const;
export type TensorFlow = keyof typeof TENSORFLOW;

const VERSION = '4.22.0';
const CUDA = 'CUDA 11.2 and cuDNN 8.1';
const needs = (which: TensorFlow) => (which === 'tensorflow-gpu' ? ` (${CUDA})` : '');

/** The command that installs it; its library is a download that an install script makes. */
export const installs = (which: TensorFlow) =>
  `npm install --ignore-scripts=false ${TENSORFLOW[which]}@${VERSION}${needs(which)}`;

/** What mends an installation that does not load. @param reason as the child has told it */
export function mends(which: TensorFlow, reason: string): string {
  // Its own library is there then, and misses one of the system's.
  if (which === 'tensorflow-gpu' && /^the library (?!libtensorflow)/.test(reason)) return CUDA;
  return `npm rebuild --ignore-scripts=false ${TENSORFLOW[which]}${needs(which)}`;
}

export interface Loaded {
  gpu: boolean;
}

const LOADS = `
const tf = require(given);
return { gpu: tf.backend().isUsingGpuDevice === true };`;

const asked = new Map<string, Promise<Answer<Loaded>>>();

/** Whether the library loads, as a child process finds out once; null where it is not installed. */
export async function tensorFlowHere(
  which: TensorFlow,
  { folder = PACKAGE_FOLDER, patienceMs }: { folder?: string; patienceMs?: number } = {},
): Promise<Answer<Loaded> | null> {
  const name = TENSORFLOW[which];
  if (!isInstalled(name, folder)) return null;
  const key = `${name} ${folder}`;
  const known = asked.get(key);
  if (known) return known;
  const question = { code: LOADS, given: name, folder, ...(patienceMs === undefined ? {} : { patienceMs }) };
  const answer = askChild<Loaded>(question);
  asked.set(key, answer);
  return answer;
}

/**
 * The library that the eager engine takes: the one for GPUs where it is installed, else the other.
 * @throws EngineError `engine-unavailable` where none is installed, or the one that is does not load
 */
export async function eagerLibrary(): Promise<string> {
  for (const which of ['tensorflow-gpu', 'tensorflow'] as const) {
    const answer = await tensorFlowHere(which);
    if (answer === null) continue;
    const name = TENSORFLOW[which];
    if (answer.is === 'answer') return name;
    throw new EngineError(
      'engine-unavailable',
      `${name} is installed, but ${answer.reason}. It needs: ${mends(which, answer.reason)}. Or take the compiled engine.`,
    );
  }
  throw new EngineError(
    'engine-unavailable',
    `The eager engine needs a TF.js backend. Install one with: ${installs('tensorflow-gpu')}, or without a GPU: ${installs('tensorflow')}.`,
  );
}

function isInstalled(name: string, folder: string): boolean {
  try {
    createRequire(join(folder, 'package.json')).resolve(name);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND') return false;
    throw error;
  }
}
