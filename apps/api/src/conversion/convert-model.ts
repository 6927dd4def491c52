/**
 * Makes an ONNX file of a TF.js model in a process of its own, under limits of memory and time. One at a time: two would share
 * the memory that one may have.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '@rela/config';
import { type Preprocessing, ProblemError } from '@rela/contracts';
import type { ConversionReply, ConversionWork } from './messages.js';

export interface Conversion {
  /** Files of the model: plain name and path. Only those that model.json names are read. */
  files: [name: string, path: string][];
  maxBytes: number;
  output?: string | undefined;
  preprocessing?: Partial<Preprocessing> | undefined;
}

export interface ConversionLimits {
  /** Of the whole process. */
  memoryBytes?: number;
  milliseconds?: number;
}

/** InceptionV3, 90 MB of ONNX, takes three seconds on two processors. */
const MILLISECONDS = 180_000;

/** Half of what the machine, or the container, has: the other half is the service's. */
const MEMORY_SHARE = 0.5;

/** In an eighth of this Node does not start, and does not end either. */
const LEAST_MEMORY = 256 * 2 ** 20;

let last: Promise<unknown> = Promise.resolve();

/**
 * @returns the bytes of the ONNX file
 * @throws ProblemError `invalid-model`: what was wrong, where, what to do; `errors` by field where a field has to be given
 */
export function convertModel(conversion: Conversion, limits: ConversionLimits = {}): Promise<Uint8Array> {
  const mine = last.then(() => convert(conversion, limits));
  last = mine.catch(() => undefined);
  return mine;
}

async function convert(
  { files, maxBytes, output, preprocessing = {} }: Conversion,
  { memoryBytes = defaultMemory(), milliseconds = MILLISECONDS }: ConversionLimits,
): Promise<Uint8Array> {
  const { height, width, channels } = preprocessing;
  const folder = await mkdtemp(join(tmpdir(), 'rela-conversion-'));
  try {
    const target = join(folder, 'model.onnx');
    const child = start(memoryBytes);
    const reply = await answer(
      child,
      {
        files,
        target,
        maxBytes,
        image: [height, width, channels],
        ...(output === undefined ? {} : { output }),
      },
      milliseconds,
    );
    switch (reply.kind) {
      case 'converted':
        return await readFile(target);
      case 'refused':
        throw refusal(reply);
      case 'unknown-sizes':
        throw unknownSizes(reply.sizes);
      case 'failed':
        throw new Error(`The conversion of a TF.js model failed: ${reply.reason}`);
      case 'late':
        throw new ProblemError(
          'invalid-model',
          `The conversion of the TF.js model took longer than ${milliseconds / 1000} seconds and was ended. Convert a smaller model, or name an output nearer to its input.`,
        );
      case 'out-of-memory':
        throw tooLarge(memoryBytes, 'needs more');
      case 'died':
        throw tooLarge(
          memoryBytes,
          `ended by ${reply.how} before it had a result: most likely it needs more`,
        );
      default:
        return reply satisfies never;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A container's limit is 0 where there is none. */
const defaultMemory = (): number =>
  Math.max(
    LEAST_MEMORY,
    Math.floor(Math.min(process.constrainedMemory() || totalmem(), totalmem()) * MEMORY_SHARE),
  );

/** The shell sets the limit, since Node cannot: `ulimit -d` counts whatever a process can write to, tensors included. */
function start(memoryBytes: number): ChildProcess {
  const kibibytes = Math.floor(memoryBytes / 1024);
  const program = fileURLToPath(new URL('./conversion-process.js', import.meta.url));
  const heap = `--max-old-space-size=${Math.max(64, Math.floor(kibibytes / 1024 / 2))}`;
  return spawn(
    '/bin/sh',
    ['-c', 'ulimit -d "$0"; exec "$@"', String(kibibytes), process.execPath, heap, program],
    {
      env: childEnvironment(),
      // What TF.js and a dying Node print helps nobody: the answer says what happened.
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    },
  );
}

type Ended = ConversionReply | { kind: 'late' } | { kind: 'died'; how: string };

function answer(child: ChildProcess, work: ConversionWork, milliseconds: number): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let ended: Ended | null = null;
    const timer = setTimeout(() => {
      ended ??= { kind: 'late' };
      child.kill('SIGKILL');
    }, milliseconds);
    child.once('message', (reply: ConversionReply) => {
      ended ??= reply;
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    // Not at `exit`: a message may still be on its way then.
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve(ended ?? { kind: 'died', how: signal ?? `exit code ${code}` });
    });
    // A process that dies at once has said so by its exit.
    child.send(work, () => undefined);
  });
}

function tooLarge(memoryBytes: number, what: string): ProblemError {
  return new ProblemError(
    'invalid-model',
    `The conversion of the TF.js model ${what} than the ${Math.floor(memoryBytes / 2 ** 20)} MiB of memory that it may use here. Convert a smaller model, or name an output nearer to its input.`,
  );
}

function refusal({ code, reason }: Extract<ConversionReply, { kind: 'refused' }>): ProblemError {
  return new ProblemError(
    'invalid-model',
    reason,
    code === 'unknown-output' ? [{ field: 'output', message: reason }] : undefined,
  );
}

function unknownSizes(sizes: readonly string[]): ProblemError {
  return new ProblemError(
    'invalid-model',
    `The model takes images of any size. Give ${sizes.map((size) => `preprocessing.${size}`).join(', ')}: what it was trained at.`,
    sizes.map((size) => ({
      field: `preprocessing.${size}`,
      message: `cannot be read from the model, whose input takes any; give ${size === 'channels' ? '1 or 3' : 'the size in pixels that it was trained at'}`,
    })),
  );
}
