/** Which value of a model becomes the embedding, and the one image input that it depends on. */
import { nearest, ProblemError } from '@rela/contracts';
import { describeValue, type OnnxModel, type ValueInfo } from './onnx/model.js';
import { ancestryOf } from './onnx/rewrite.js';

/** Inner values named in an error: those nearest to the outputs, which is where embeddings are. */
const INNER_SHOWN = 12;

const listed = (values: readonly ValueInfo[]): string =>
  values.map((value) => `"${value.name}" (${describeValue(value)})`).join(', ');

/**
 * @param asked an output, an inner value, or the name of a node with one output; absent where the model has one output
 * @throws ProblemError `invalid-model` that lists what there is
 */
export function chooseOutput(model: OnnxModel, asked: string | undefined): string {
  if (asked === undefined) {
    const [only, ...others] = model.outputs;
    if (only && others.length === 0) return only.name;
    const message = only
      ? `The model has ${model.outputs.length} outputs: ${listed(model.outputs)}. Name the one to use.`
      : 'The model has no output. Name the inner value to use.';
    throw new ProblemError('invalid-model', message, [{ field: 'output', message }]);
  }
  if (model.outputs.some(({ name }) => name === asked)) return asked;
  const inner = model.nodes.flatMap((node) => node.writes);
  if (inner.includes(asked)) return asked;
  const node = model.nodes.find(({ name, writes }) => name === asked && writes.length === 1);
  if (node) return node.writes[0]!;
  if (model.inputs.some(({ name }) => name === asked) || model.initializers.has(asked))
    throw dependsOnNothing(asked);

  const nodeNames = model.nodes.flatMap(({ name }) => (name === '' ? [] : [name]));
  const meant = nearest(asked, [...model.outputs.map(({ name }) => name), ...inner, ...nodeNames]);
  const outputs = new Set(model.outputs.map(({ name }) => name));
  const last = inner.filter((name) => !outputs.has(name)).slice(-INNER_SHOWN);
  const message = [
    `The model has no output or inner value "${asked}"${meant ? `; did you mean "${meant}"?` : '.'}`,
    `Outputs: ${listed(model.outputs)}.`,
    last.length > 0 ? `The last inner values: ${last.map((name) => `"${name}"`).join(', ')}.` : '',
  ];
  throw new ProblemError('invalid-model', message.filter(Boolean).join(' '), [
    { field: 'output', message: message[0]! },
  ]);
}

/** @throws ProblemError `invalid-model` where the output depends on no input, or on several */
export function chooseInput(model: OnnxModel, output: string): ValueInfo {
  const { inputs } = ancestryOf(model, output);
  const [only, ...others] = inputs;
  if (!only) throw dependsOnNothing(output);
  if (others.length > 0)
    throw new ProblemError(
      'invalid-model',
      `Output "${output}" depends on ${inputs.length} inputs: ${listed(inputs)}. A prior takes images alone: export it with the others fixed, or name an output that depends on the images alone.`,
    );
  return only;
}

function dependsOnNothing(name: string): ProblemError {
  const message = `"${name}" does not come out of any computation on the model's input, so it would be the same for every image. Name another output.`;
  return new ProblemError('invalid-model', message, [{ field: 'output', message }]);
}
