/** A GraphModel (a converted TensorFlow graph): outputs and inner values are called as their nodes. */
import type { io } from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import { tf } from '../tf.js';
import type { Predictor } from './predictor.js';

/** Ops whose execution depends on values; nothing in a recorded graph can. */
const CONTROL_FLOW =
  /^(Stateless)?(If|While)$|^(Switch|Merge|Enter|Exit|NextIteration|LoopCond)$|^(EmptyTensorList|TensorArray\w*|TensorList\w*)$/;

interface GraphNode {
  name: string;
  op: string;
}

/** @throws EngineError `unsupported-op` naming a control flow op, `invalid-model` with TF.js's own reason */
export async function loadGraphModel(artifacts: io.ModelArtifacts): Promise<Predictor> {
  const nodes = nodesOf(artifacts.modelTopology);
  const controlling = nodes.find(({ op }) => CONTROL_FLOW.test(op));
  if (controlling)
    throw new EngineError(
      'unsupported-op',
      `Node "${controlling.name}" is the control flow op ${controlling.op}, whose path depends on values: it cannot become a graph of fixed computation. Convert the model without it: with batch size and training mode fixed, or only the part up to the features.`,
    );
  const model = await tf.loadGraphModel({ load: async () => artifacts }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineError('invalid-model', `TF.js does not load this GraphModel. It says: ${reason}`, {
      cause: error,
    });
  });
  const plain = (name: string) => name.replace(/:0$/, '');
  const inputs = model.inputs.map(({ name, shape, dtype }) => ({
    name: plain(name),
    shape: shape?.map((side) => (side > 0 ? side : null)) ?? null,
    dtype,
  }));
  return {
    inputs,
    outputs: model.outputNodes.map(plain),
    inner: nodes.flatMap(({ name, op }) => (op === 'Const' || op === 'Placeholder' ? [] : [name])),
    predict(input, names) {
      try {
        const made = model.execute({ [inputs[0]!.name]: input }, [...names]);
        return Array.isArray(made) ? made : [made];
      } catch (error) {
        throw refusal(error);
      }
    },
  };
}

function nodesOf(topology: unknown): GraphNode[] {
  const { node } = topology as { node: unknown[] };
  return node.map((entry, index) => {
    const { name, op } = (entry ?? {}) as Partial<Record<keyof GraphNode, unknown>>;
    if (typeof name === 'string' && typeof op === 'string') return { name, op };
    throw new EngineError(
      'invalid-model',
      `modelTopology.node[${index}] of model.json lacks a name or an op. Convert the model again.`,
    );
  });
}

/** What TF.js says of ops that it has not, in words that name the op; other errors as they are. */
function refusal(error: unknown): unknown {
  const text = error instanceof Error ? error.message : '';
  const custom = /^(?:Custom op|Unknown op) '?(.+?)'?(?: is not registered|\. File an issue)/.exec(text);
  const dynamic = /which has the dynamic op '(.+?)'/.exec(text);
  const [op, reason] = custom
    ? [custom[1], 'which TF.js does not have']
    : dynamic
      ? [dynamic[1], 'the size of whose result depends on values']
      : [];
  if (op === undefined) return error;
  return new EngineError(
    'unsupported-op',
    `The graph uses the op ${op}, ${reason}. Convert the model without it, such as only the part up to the features.`,
    { cause: error },
  );
}
