/** Runs a TF.js function once against the recording backend and returns what it would compute. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import type { Graph, Value } from '../graph/graph.js';
import type { HostTensors, TensorSpec, Tensors } from '../tensors.js';
import { tf } from '../tf.js';
import { BACKEND, disposedTensor, RecordingBackend, Tape } from './backend.js';
import { forbidSurprises } from './forbidden.js';
import { KERNELS, registerRecording } from './kernels.js';
import { STACK_DEPTH, sourceLine } from './source-line.js';

export interface RecordOptions {
  inputs: Record<string, TensorSpec>;
  /** Tensors whose numbers are known while recording. */
  constants?: HostTensors;
}

function missingKernel(error: unknown): string | undefined {
  const text = error instanceof Error ? error.message : '';
  return /Kernel '([^']+)' not registered for backend 'recording'/.exec(text)?.[1];
}

/** What an error of TF.js means for someone who records a step; other errors are the user's own. */
function inOurTerms(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const line = sourceLine(error.stack);
  const op = missingKernel(error);
  if (op !== undefined)
    return new EngineError(
      'unsupported-op',
      `The op ${op}, called at ${line}, cannot be recorded. Write it with other ops, or run the step with the eager engine.`,
      { cause: error, op },
    );
  const [, withoutGradient] = /gradient function not found for (\w+)/.exec(error.message) ?? [];
  if (withoutGradient !== undefined)
    return new EngineError(
      'unsupported-op',
      `TF.js has no gradient of the op ${withoutGradient}, which the call at ${line} differentiates. Write it with other ops, keep it out of the gradient, or give it one with tf.customGrad.`,
      { cause: error },
    );
  return error.message === 'Tensor is disposed.' ? disposedTensor('The call', line) : error;
}

/**
 * The backend that TF.js computes with outside of a recording. It chooses one when it is first used; where that is now, the recording
 * must not stay in its place. Undefined where the choice takes a wait that nobody has made.
 */
function ownBackend(): string | undefined {
  const engine = tf.engine();
  if (!engine.backendName)
    try {
      void engine.backend;
    } catch {
      return undefined;
    }
  return engine.backendName;
}

/**
 * @throws EngineError `unsupported-op` naming the op and the user's line, `data-dependent` where a value that depends on an
 *   input is read or a random number drawn, `variable-assigned`, `disposed-tensor` where a captured tensor is gone,
 *   `kept-tensor` where it is of an earlier recording
 */
export function record(fn: (inputs: Tensors, constants: Tensors) => Tensors, options: RecordOptions): Graph {
  const backend = registerRecording(() => new RecordingBackend((op) => KERNELS.get(op)?.inputs));
  if (backend.tape)
    throw new Error('A recording is under way already; a recorded function cannot compile another.');
  const tfEngine = tf.engine();
  const before = ownBackend();
  const depth = Error.stackTraceLimit;
  const tape = new Tape();
  const allow = forbidSurprises();
  backend.tape = tape;
  Error.stackTraceLimit = STACK_DEPTH;
  try {
    // The backend is made synchronously, so it is in place when this call returns.
    void tf.setBackend(BACKEND);
    tfEngine.startScope('recording');
    const inputs = Object.fromEntries(
      Object.entries(options.inputs).map(([name, spec]) => {
        const id = tape.input(name, spec);
        return [name, tfEngine.makeTensorFromDataId(id, spec.shape, spec.dtype, backend) as Tensor];
      }),
    );
    const constants = Object.fromEntries(
      Object.entries(options.constants ?? {}).map(([name, { data, shape, dtype }]) => [
        name,
        tf.tensor(data, shape, dtype),
      ]),
    );
    const results = fn(inputs, constants);
    if (tape.refusal) throw tape.refusal;
    const outputs = new Map<string, Value>(
      Object.entries(results).map(([name, tensor]) => [
        name,
        backend.valueBehind(tensor, `output "${name}"`),
      ]),
    );
    return tape.finish(outputs);
  } catch (error) {
    throw tape.refusal ?? inOurTerms(error);
  } finally {
    allow();
    Error.stackTraceLimit = depth;
    tfEngine.endScope();
    backend.tape = null;
    if (before) void tf.setBackend(before);
  }
}
