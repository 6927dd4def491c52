/**
 * A trial run of a prior on noise: it shows the width of its embeddings, and whether they are finite, differ between images,
 * and depend on one image each.
 */
import { type Preprocessing, ProblemError } from '@rela/contracts';
import { type OutputForm, outputForm, toRows } from './pooling.js';
import { inputLength, preprocess } from './preprocess.js';
import { RunFailed, type Session } from './session.js';

export interface Trial extends OutputForm {
  /** Fixed batch size; null where any will do. */
  batch: number | null;
}

export interface TrialSubject {
  session: Session;
  input: string;
  output: string;
  /** Batch size that the model declares; null where it declares none. */
  batch: number | null;
  preprocessing: Preprocessing;
}

/** How far an embedding may move, relative to its largest value, when another image of the batch changes: float32 noise. */
const COUPLING_TOLERANCE = 1e-3;

/** @throws ProblemError `invalid-model` */
export async function tryPrior(subject: TrialSubject): Promise<Trial> {
  const { batch, output } = subject;
  if (batch !== null) return examine(subject, batch, batch);
  try {
    return await examine(subject, 2, null);
  } catch (error) {
    if (!(error instanceof RunFailed)) throw error;
    // Many exporters declare a dynamic batch and then reshape to a batch of 1 inside.
    try {
      return await examine(subject, 1, 1);
    } catch (alone) {
      if (!(alone instanceof RunFailed)) throw alone;
      throw new ProblemError(
        'invalid-model',
        `The model fails on a trial batch, so output "${output}" cannot be computed. ONNX Runtime says: ${error.message}`,
        undefined,
        { cause: error },
      );
    }
  }
}

async function examine(subject: TrialSubject, size: number, batch: number | null): Promise<Trial> {
  const { output, preprocessing } = subject;
  const first = await runNoise(subject, size, [1, 2]);
  const form = outputForm(first.dims, preprocessing);
  const shape = `[${first.dims.join(', ')}]`;
  if (!form || form.width < 1 || first.dims[0] !== size)
    throw refuse(
      `Output "${output}" is ${shape} for ${size === 1 ? 'one image' : `${size} images`}: it is not one embedding an image. Name an output of shape [N, m], [N, tokens, m] or a feature map.`,
    );
  const rows = toRows(first.data, first.dims, form, size);
  const position = rows.findIndex((value) => !Number.isFinite(value));
  if (position >= 0)
    throw refuse(
      `Output "${output}" ${shape} has ${rows[position]} for a trial image. A prior has to give finite values: check its weights, and that the preprocessing is the one it was trained with.`,
    );
  const second = await runNoise(subject, size, size === 1 ? [2] : [1, 3]);
  const others = toRows(second.data, second.dims, form, size);
  const alone = rows.subarray(0, form.width);
  const again = others.subarray(0, form.width);
  const different = size === 1 ? again : rows.subarray(form.width, 2 * form.width);
  if (farthest(alone, different) === 0)
    throw refuse(
      `Output "${output}" is the same for two different images: it carries nothing. Name another output.`,
    );
  if (size > 1 && farthest(alone, again) > COUPLING_TOLERANCE * largest(alone))
    throw refuse(
      `Output "${output}" of an image changes with the other images of its batch, as a model exported in training mode does. Export it in evaluation mode.`,
    );
  return { ...form, batch };
}

/** Runs `size` images of noise: of `seeds`, the last one repeated as often as needed. */
async function runNoise(
  { session, input, output, preprocessing }: TrialSubject,
  size: number,
  seeds: number[],
) {
  const { height, width, channels, dtype } = preprocessing;
  const length = inputLength(preprocessing);
  const data = dtype === 'uint8' ? new Uint8Array(size * length) : new Float32Array(size * length);
  for (let index = 0; index < size; index++) {
    const image = noise(height * width * channels, seeds[Math.min(index, seeds.length - 1)]!);
    preprocess({ data: image, height, width, channels }, preprocessing, data, index * length);
  }
  const dims =
    preprocessing.layout === 'nchw' ? [size, channels, height, width] : [size, height, width, channels];
  return session.run({ input, output, data, dims });
}

/** The same bytes for the same seed: a linear congruential generator (constants of Numerical Recipes). */
function noise(length: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

const largest = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

const farthest = (left: Float32Array, right: Float32Array): number =>
  left.reduce((most, value, index) => Math.max(most, Math.abs(value - right[index]!)), 0);

const refuse = (detail: string): ProblemError => new ProblemError('invalid-model', detail);
