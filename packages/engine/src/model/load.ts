/** Loads a trained TF.js model, LayersModel or GraphModel, and exports it as ONNX. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import { exportOnnx } from '../export.js';
import type { Tensors } from '../tensors.js';
import { tf } from '../tf.js';
import { type ModelFiles, type ModelFormat, readArtifacts } from './artifacts.js';
import { loadGraphModel } from './graph-model.js';
import { loadLayersModel } from './layers-model.js';
import type { ModelInput, Predictor } from './predictor.js';

export interface ModelExportOptions {
  /** An output or an inner value; absent: all outputs. */
  output?: string;
  /** Sides [H, W, C] of an image, needed where the model takes any. */
  image?: readonly (number | undefined)[];
  metadata?: Record<string, string>;
}

/** A model whose one input is a batch of images [N, H, W, C]. */
export interface ImageModel {
  readonly format: ModelFormat;
  readonly input: ModelInput;
  readonly outputs: readonly string[];
  /** The outputs by name, as TF.js computes them on its present backend. */
  predict(images: Tensor): Tensors;
  /**
   * The batch size varies where the model lets it, else it is the model's own, or 1.
   * @returns the bytes of an .onnx file
   * @throws EngineError `unknown-output`, `unknown-size`, `unsupported-op`, `data-dependent`
   */
  toOnnx(options?: ModelExportOptions): Uint8Array;
}

/** @throws EngineError `invalid-model` or `unsupported-op`: what was wrong, where, what to do */
export async function loadModel(files: ModelFiles): Promise<ImageModel> {
  const { format, artifacts } = await readArtifacts(files);
  // Weights are read where they are; a backend that keeps them elsewhere would only copy them twice.
  await tf.setBackend('cpu');
  const predictor = await (format === 'layers-model' ? loadLayersModel : loadGraphModel)(artifacts);
  const input = imageInput(predictor.inputs);
  const named = (tensors: Tensor[], names: readonly string[]): Tensors =>
    Object.fromEntries(names.map((name, index) => [name, tensors[index]!]));
  return {
    format,
    input,
    outputs: predictor.outputs,
    predict: (images) => named(predictor.predict(images, predictor.outputs), predictor.outputs),
    toOnnx({ output, image = [], metadata = {} } = {}) {
      const names = output === undefined ? predictor.outputs : [known(output, predictor)];
      const [batch, ...sides] = input.shape;
      const inputs = {
        [input.name]: { shape: [batch ?? 1, ...filled(input, sides, image)], dtype: 'float32' as const },
      };
      const fn = (given: Tensors) => {
        const images = given[input.name]!;
        const fed = input.dtype === 'float32' ? images : tf.cast(images, input.dtype as 'int32');
        return named(
          asRecorded(() => predictor.predict(fed, names)),
          names,
        );
      };
      const make = (dynamicBatch: boolean) =>
        exportOnnx(fn, { inputs, weights: {}, dynamicBatch, layout: 'nhwc', metadata });
      try {
        return batch === null ? withAnyBatch(make) : make(false);
      } catch (error) {
        throw inWordsOfModels(error);
      }
    },
  };
}

function withAnyBatch(make: (dynamicBatch: boolean) => Uint8Array): Uint8Array {
  try {
    return make(true);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'fixed-batch') throw error;
    return make(false);
  }
}

/** An op without a kernel is the recording's to name; what else TF.js objects to is the model's fault. */
function asRecorded(predict: () => Tensor[]): Tensor[] {
  try {
    return predict();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof EngineError || /^Kernel '.+' not registered/.test(text)) throw error;
    throw new EngineError('invalid-model', `TF.js cannot run this model. It says: ${text}`, { cause: error });
  }
}

/** Whoever brings a model has not written its ops: there is no line to name, and another way out. */
function inWordsOfModels(error: unknown): unknown {
  if (!(error instanceof EngineError)) return error;
  const wayOut = 'Name an output that comes before it, or convert the model without it.';
  if (error.op !== undefined)
    return new EngineError(
      error.code,
      `The model uses the op ${error.op}, which has no translation to ONNX. ${wayOut}`,
      { cause: error },
    );
  if (error.code === 'data-dependent')
    return new EngineError(
      error.code,
      `A part of the model reads numbers that depend on the image, or draws random ones: it cannot become a graph of fixed computation. ${wayOut}`,
      { cause: error },
    );
  return error;
}

const describe = ({ name, shape, dtype }: ModelInput): string =>
  `"${name}" (${dtype}${shape ? ` [${shape.map((side) => side ?? '?').join(', ')}]` : ', shape not stated'})`;

/** @throws EngineError `invalid-model` where there are several inputs, or the one is no batch of images */
function imageInput(inputs: readonly ModelInput[]): ModelInput & { shape: (number | null)[] } {
  const [only, ...others] = inputs;
  if (!only || others.length > 0)
    throw new EngineError(
      'invalid-model',
      `The model has ${inputs.length} inputs${only ? `: ${inputs.map(describe).join(', ')}` : ''}. An image model has one: save it with the others fixed.`,
    );
  const { shape, dtype } = only;
  if (shape?.length === 4 && (dtype === 'float32' || dtype === 'int32')) return { ...only, shape };
  throw new EngineError(
    'invalid-model',
    `Input ${describe(only)} is no batch of images: that is float32 or int32 [N, H, W, C]. Give an image model.`,
  );
}

function known(name: string, { outputs, inner }: Predictor): string {
  if (outputs.includes(name) || inner.includes(name)) return name;
  throw new EngineError(
    'unknown-output',
    `The model has no output or layer "${name}". Outputs: ${quoted(outputs)}. The last inner values: ${quoted(inner.filter((item) => !outputs.includes(item)).slice(-INNER_SHOWN))}.`,
  );
}

/** Inner values named in an error: those nearest to the outputs, which is where embeddings are. */
const INNER_SHOWN = 12;

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');

function filled(
  input: ModelInput,
  sides: readonly (number | null)[],
  image: readonly (number | undefined)[],
): number[] {
  return sides.map((side, axis) => {
    const size = side ?? image[axis];
    if (size !== undefined) return size;
    throw new EngineError(
      'unknown-size',
      `Input ${describe(input)} takes images of any size. Give the height, width and channels that it was trained at.`,
    );
  });
}
