/** Images in, embeddings out, in constant memory: one batch is preprocessed while the session runs the batch before. */
import { type PriorModel, ProblemError } from '@rela/contracts';
import type { Precision } from '@rela/engine';
import { openRewritten } from './fast-convolutions.js';
import type { DecodedImage } from './image.js';
import { outputForm, toRows } from './pooling.js';
import { inputLength, preprocess } from './preprocess.js';
import { ModelRefused, type RunResult, Session } from './session.js';

export interface EmbedderOptions {
  /** Threads of the session. */
  threads: number;
  /** Most images a batch; a prior with a fixed batch ignores it. */
  batch?: number;
  /**
   * - fast, the default: with convolutions rewritten, which moves an embedding by about 1e-6 of its size
   * - strict: the prior as ONNX Runtime runs it by itself
   */
  precision?: Precision;
}

export interface Embedder {
  /** m: floats an embedding. */
  readonly width: number;
  /**
   * Embeddings in the order of the images, some rows [b, m] at a time.
   * @throws ProblemError `invalid-model` where the prior gives a value that is not finite; SessionLost, RunFailed
   */
  embed(
    images: AsyncIterable<DecodedImage> | Iterable<DecodedImage>,
  ): AsyncGenerator<Float32Array, void, undefined>;
  dispose(): Promise<void>;
}

const MAX_BATCH = 64;
const MIN_BATCH = 8;

/** Bounds the activations of a batch: 64 images up to 128 px, 20 of 224 px. */
const PIXELS_A_BATCH = 2 ** 20;

/**
 * @param modelPath the ONNX file whose digest is `prior.model`
 * @throws ProblemError `invalid-model` where ONNX Runtime does not take the file
 */
export async function openEmbedder(
  modelPath: string,
  prior: PriorModel,
  options: EmbedderOptions,
): Promise<Embedder> {
  try {
    const { threads, precision = 'fast' } = options;
    const rewritten = precision === 'fast' ? await openRewritten(modelPath, prior, threads) : null;
    const session = rewritten ?? (await Session.open({ model: modelPath, threads }));
    return new SessionEmbedder(session, prior, options.batch ?? MAX_BATCH);
  } catch (error) {
    if (!(error instanceof ModelRefused)) throw error;
    throw new ProblemError(
      'invalid-model',
      `Prior ${prior.digest} cannot be run. ${error.message}`,
      undefined,
      { cause: error },
    );
  }
}

/** One batch under way: how many of its rows are images. */
interface Running {
  count: number;
  result: Promise<RunResult>;
}

class SessionEmbedder implements Embedder {
  /** Images a batch. */
  private readonly batch: number;

  constructor(
    private readonly session: Session,
    private readonly prior: PriorModel,
    mostImages: number,
  ) {
    const { height, width } = prior.preprocessing;
    const fitting = Math.max(MIN_BATCH, Math.floor(PIXELS_A_BATCH / (height * width)));
    this.batch = prior.batch ?? Math.max(1, Math.min(mostImages, fitting));
  }

  get width(): number {
    return this.prior.width;
  }

  async *embed(images: AsyncIterable<DecodedImage> | Iterable<DecodedImage>) {
    const { preprocessing } = this.prior;
    const length = inputLength(preprocessing);
    // Two batches of memory: one is filled while the other one is in the session.
    let filling = this.allocate();
    const running: Running[] = [];
    let count = 0;
    let done = 0;
    try {
      for await (const image of images) {
        preprocess(image, preprocessing, filling, count * length);
        if (++count < this.batch) continue;
        running.push(this.start(filling, count));
        count = 0;
        if (running.length < 2) {
          filling = this.allocate();
          continue;
        }
        const oldest = running.shift()!;
        const result = await oldest.result;
        filling = result.input;
        yield this.rows(result, oldest.count, done);
        done += oldest.count;
      }
      if (count > 0) running.push(this.start(filling, count));
      for (let oldest = running.shift(); oldest; oldest = running.shift()) {
        yield this.rows(await oldest.result, oldest.count, done);
        done += oldest.count;
      }
    } finally {
      // The reader stopped early, or a batch failed: wait, so that nothing of this call outlives it.
      await Promise.allSettled(running.map(({ result }) => result));
    }
  }

  async dispose(): Promise<void> {
    await this.session.close();
  }

  private allocate(): Float32Array | Uint8Array {
    const length = this.batch * inputLength(this.prior.preprocessing);
    return this.prior.preprocessing.dtype === 'uint8' ? new Uint8Array(length) : new Float32Array(length);
  }

  /** A model with a fixed batch gets all of it, whatever stands behind the last image. */
  private start(data: Float32Array | Uint8Array, count: number): Running {
    const { preprocessing, input, output, batch } = this.prior;
    const { height, width, channels, layout } = preprocessing;
    const size = batch ?? count;
    const dims = layout === 'nchw' ? [size, channels, height, width] : [size, height, width, channels];
    const used = size === this.batch ? data : data.subarray(0, size * inputLength(preprocessing));
    const result = this.session.run({ input, output, data: used, dims });
    // Awaited later: until then a failure must not count as unhandled.
    result.catch(() => undefined);
    return { count, result };
  }

  /** @param done images before these, for the error */
  private rows({ data, dims }: RunResult, count: number, done: number): Float32Array {
    const form = outputForm(dims, this.prior.preprocessing);
    if (!form || form.width !== this.prior.width || (form.pool && !this.prior.pool))
      throw new ProblemError(
        'invalid-model',
        `Prior ${this.prior.digest} gave [${dims.join(', ')}], which is not ${this.prior.width} floats an image. Register it again.`,
      );
    const rows = toRows(data, dims, form, count);
    const position = rows.findIndex((value) => !Number.isFinite(value));
    if (position >= 0)
      throw new ProblemError(
        'invalid-model',
        `Prior ${this.prior.digest} gave ${rows[position]} for image ${done + Math.floor(position / this.prior.width)} of a shard. Targets need finite embeddings: check the prior's weights and preprocessing.`,
      );
    return rows;
  }
}
