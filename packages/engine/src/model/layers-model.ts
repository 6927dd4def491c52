/** A LayersModel (Keras, or built by tf.layers): outputs and inner values are called as their layers. */
import type { io, Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import { EngineError } from '../errors.js';
import { tf } from '../tf.js';
import type { Predictor } from './predictor.js';

/** @throws EngineError `invalid-model` naming a class that TF.js does not know, or a weight that does not fit */
export async function loadLayersModel(artifacts: io.ModelArtifacts): Promise<Predictor> {
  const loaded = await tf.loadLayersModel({ load: async () => artifacts }).catch((error: unknown) => {
    throw refusal(error);
  });
  // A Sequential does not name its outputs.
  const model = tf.model({ inputs: loaded.inputs, outputs: loaded.outputs });
  const symbols = new Map<string, SymbolicTensor>();
  for (const { name, output } of loaded.layers) if (!Array.isArray(output)) symbols.set(name, output);
  // A layer that is called twice has two outputs; those of the model carry their names.
  for (const [index, name] of model.outputNames.entries()) symbols.set(name, model.outputs[index]!);
  return {
    inputs: model.inputs.map(({ shape, dtype }, index) => ({ name: model.inputNames[index]!, shape, dtype })),
    outputs: model.outputNames,
    inner: [...symbols.keys()].filter((name) => !model.inputNames.includes(name)),
    predict: (input, names) =>
      apply(
        model,
        names.map((name) => symbols.get(name)!),
        input,
      ),
  };
}

function apply(model: LayersModel, outputs: SymbolicTensor[], input: Tensor): Tensor[] {
  const made = tf.model({ inputs: model.inputs, outputs }).apply(input, { training: false });
  return (Array.isArray(made) ? made : [made]) as Tensor[];
}

function refusal(error: unknown): EngineError {
  const text = error instanceof Error ? error.message : String(error);
  const unknown = /^Unknown (\w+): (.+?)\. This may be due/.exec(text);
  if (unknown)
    return new EngineError(
      'invalid-model',
      `The model uses the ${unknown[1]} class "${unknown[2]}", which TF.js does not have. Convert it as a GraphModel (tensorflowjs_converter --output_format=tfjs_graph_model), where custom layers become plain ops.`,
      { cause: error },
    );
  return new EngineError('invalid-model', `TF.js does not load this LayersModel. It says: ${text}`, {
    cause: error,
  });
}
