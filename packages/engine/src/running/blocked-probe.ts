/**
 * Asks this machine whether ONNX Runtime has its blocked convolutions and how many channels are in a block. The ops belong
 * to ONNX Runtime itself (domain com.microsoft.nchwc, not documented): they exist or not, with 16 channels on AVX-512 and 8
 * on AVX2, so a tiny convolution with a known answer decides.
 */
import '../no-telemetry.js';
import * as ort from 'onnxruntime-node';
import { int, ints, type OnnxModel } from '../onnx/model.js';
import { writeModel } from '../onnx/write.js';

const CANDIDATES = [16, 8];
const CHANNELS = 32;

let known: Promise<number | null> | undefined;

/** Channels a block, or null where plain convolutions have to do. */
export function blockOfThisMachine(): Promise<number | null> {
  known ??= probe();
  return known;
}

const MODEL: OnnxModel = {
  name: 'probe',
  nodes: [
    {
      op: 'Conv',
      domain: 'com.microsoft.nchwc',
      inputs: ['x', 'w'],
      outputs: ['y'],
      attributes: { kernel_shape: ints([1, 1]), group: int(1) },
      line: 'the probe',
    },
  ],
  initializers: new Map(),
  inputs: [
    { name: 'x', dtype: 'float32', dims: [1, CHANNELS, 1, 2] },
    { name: 'w', dtype: 'float32', dims: [CHANNELS, CHANNELS, 1, 1] },
  ],
  outputs: [{ name: 'y', dtype: 'float32', dims: [1, CHANNELS, 1, 2] }],
  metadata: {},
};

async function probe(): Promise<number | null> {
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(writeModel(MODEL), {
      logSeverityLevel: 4,
      intraOpNumThreads: 1,
    });
  } catch (error) {
    warnSlow(error instanceof Error ? error.message : String(error));
    return null;
  }
  try {
    for (const block of CANDIDATES) if (await answersRightly(session, block)) return block;
  } finally {
    await session.release();
  }
  warnSlow('they lie in another layout than those that are known');
  return null;
}

/**
 * A fallback is told with its cost. What it would cost here nobody can measure, since one of the two is not there; case
 * `blocked-layouts` of `npm run bench -- passes` measures both on a processor that has them.
 */
function warnSlow(reason: string): void {
  process.emitWarning(
    `ONNX Runtime's blocked convolutions cannot be used on this processor (${reason.split('\n')[0]}). Plain ones are taken: where both exist (AVX-512), a step of ResNet-18 takes more than twice the time with plain ones.`,
    { type: 'SlowEngine', code: 'ENGINE_PLAIN_CONVOLUTIONS' },
  );
}

/** Whether a 1×1 convolution over blocks of `block` channels gives y[o, p] = Σ_i w[o, i] · x[i, p]. */
async function answersRightly(session: ort.InferenceSession, block: number): Promise<boolean> {
  const value = (channel: number, position: number) => ((channel * 7 + position * 3) % 11) - 5;
  const weight = (to: number, from: number) => ((to * 5 + from * 3) % 13) - 6;
  const x = new Float32Array(CHANNELS * 2);
  const w = new Float32Array(CHANNELS * CHANNELS);
  const place = (channel: number, position: number) =>
    (Math.floor(channel / block) * 2 + position) * block + (channel % block);
  for (let from = 0; from < CHANNELS; from++) {
    for (const position of [0, 1]) x[place(from, position)] = value(from, position);
    for (let to = 0; to < CHANNELS; to++) {
      const [outerTo, outerFrom] = [Math.floor(to / block), Math.floor(from / block)];
      const at = ((outerTo * (CHANNELS / block) + outerFrom) * block + (from % block)) * block + (to % block);
      w[at] = weight(to, from);
    }
  }
  const { y } = await session.run({
    x: new ort.Tensor('float32', x, [1, CHANNELS, 1, 2]),
    w: new ort.Tensor('float32', w, [CHANNELS, CHANNELS, 1, 1]),
  });
  const got = y!.data as Float32Array;
  for (let to = 0; to < CHANNELS; to++)
    for (const position of [0, 1]) {
      let sum = 0;
      for (let from = 0; from < CHANNELS; from++) sum += weight(to, from) * value(from, position);
      if (Math.abs(got[place(to, position)]! - sum) > 1e-3) return false;
    }
  return true;
}
