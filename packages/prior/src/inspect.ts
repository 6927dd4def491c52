/** Takes a model file that a user brings and finds out how to use it as a prior, or says why it cannot be one. */
import { type Preprocessing, ProblemError } from '@rela/contracts';
import { chooseInput, chooseOutput } from './choose-output.js';
import { inferPreprocessing } from './infer-preprocessing.js';
import { type OnnxModel, parseModel, type ValueInfo } from './onnx/model.js';
import { type CutModel, type CutOptions, cutModel } from './onnx/rewrite.js';
import { ModelRefused, RunFailed, Session } from './session.js';
import { tryPrior } from './trial.js';

export interface InspectOptions {
  /** Output, inner value or node; absent where the model has one output. */
  output?: string | undefined;
  /** Overrides what is read from the model. */
  preprocessing?: Partial<Preprocessing> | undefined;
}

export interface InspectedPrior {
  /** Names in the model that runs: `model` where it is not null. */
  input: string;
  output: string;
  /** Whether the output is averaged over the positions of a feature map, or over tokens. */
  pool: boolean;
  /** Fixed batch size; null where any will do. */
  batch: number | null;
  /** m: floats an embedding. */
  width: number;
  preprocessing: Preprocessing;
  /** The model as it has to be stored, where a head was cut, an inner value exposed or a type cast; null: as it came. */
  model: Uint8Array | null;
}

/** A trial needs little: threads would be taken from whoever serves requests beside it. */
const TRIAL_THREADS = 1;

/**
 * @param bytes an ONNX file
 * @throws ProblemError `invalid-model`: what was wrong, where, what to do; `errors` by field where a field has to be given
 */
export async function inspectPrior(bytes: Uint8Array, options: InspectOptions): Promise<InspectedPrior> {
  const model = parseModel(bytes);
  const asked = chooseOutput(model, options.output);
  const input = chooseInput(model, asked);
  const preprocessing = inferPreprocessing(input, model.metadata, options.preprocessing ?? {});
  const { name, type } = input;
  const castInput = type === 'float16' || type === 'float64' ? { name, type } : undefined;

  const { cut, session } = await openWithFloatOutput(model, input, { output: asked, castInput });
  try {
    const { pool, batch, width } = await tryPrior({
      session,
      input: cut.input,
      output: cut.output,
      batch: fixedBatch(input),
      preprocessing,
    });
    const rewritten = cut.bytes === bytes ? null : cut.bytes;
    return { input: cut.input, output: cut.output, pool, batch, width, preprocessing, model: rewritten };
  } catch (error) {
    if (!(error instanceof RunFailed)) throw error;
    throw new ProblemError(
      'invalid-model',
      `The model fails on a trial batch. ONNX Runtime says: ${error.message}`,
      undefined,
      { cause: error },
    );
  } finally {
    await session.close();
  }
}

const fixedBatch = ({ shape }: ValueInfo): number | null =>
  typeof shape?.[0] === 'number' ? shape[0] : null;

/** Opens the cut model; a second time with a Cast behind the output where that is of another precision. */
async function openWithFloatOutput(
  model: OnnxModel,
  input: ValueInfo,
  options: CutOptions,
): Promise<{ cut: CutModel; session: Session }> {
  const cut = cutModel(model, input.name, options);
  const session = await openModel(model, cut.bytes);
  const output = session.outputs.find(({ name }) => name === cut.output);
  if (output?.type === 'float32') return { cut, session };
  await session.close();
  if (!options.castOutput && (output?.type === 'float16' || output?.type === 'float64'))
    return openWithFloatOutput(model, input, { ...options, castOutput: true });
  throw new ProblemError(
    'invalid-model',
    `Output "${options.output}" is ${output?.type ?? 'no tensor'}; an embedding is made of floats. Name an output before the last step, such as the features or the logits.`,
  );
}

/** @throws ProblemError with ONNX Runtime's own reason */
async function openModel(model: OnnxModel, bytes: Uint8Array): Promise<Session> {
  try {
    return await Session.open({ model: bytes, threads: TRIAL_THREADS });
  } catch (error) {
    if (!(error instanceof ModelRefused)) throw error;
    throw new ProblemError(
      'invalid-model',
      `The model, which declares operator set ${model.opset} and IR version ${model.irVersion}, cannot be run. ${error.message}`,
      undefined,
      { cause: error },
    );
  }
}
