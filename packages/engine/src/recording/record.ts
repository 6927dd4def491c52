/** Runs a TF.js function once against the recording backend and returns what it would compute. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import type { Graph, Value } from '../graph/graph.js';
import type { HostTensors, TensorSpec, Tensors } from '../tensors.js';
import { tf } from '../tf.js';
import { BACKEND, RecordingBackend, Tape } from './backend.js';
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

/** Stands in for Math.random while a step is recorded: what it draws would be the same in every run of the graph. */
function refuseRandomness(): never {
  throw new EngineError(
    'data-dependent',
    `A random number is drawn at ${sourceLine()}. A step is recorded once, so the number would be the same in every step: draw it outside and hand it in with the batch, or give a seed if it is meant to stay the same.`,
  );
}

/**
 * @throws EngineError `unsupported-op` naming the op and the user's line, `data-dependent` where a value that
 *   depends on an input is read, or a random number drawn; `disposed-tensor` where a captured tensor is gone
 */
export function record(fn: (inputs: Tensors, constants: Tensors) => Tensors, options: RecordOptions): Graph {
  const backend = registerRecording(() => new RecordingBackend((op) => KERNELS.get(op)?.inputs));
  if (backend.tape)
    throw new Error('A recording is under way already; a recorded function cannot compile another.');
  const tfEngine = tf.engine();
  const before = tfEngine.backendName;
  const depth = Error.stackTraceLimit;
  const random = Math.random;
  const tape = new Tape();
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
    Math.random = refuseRandomness;
    const results = fn(inputs, constants);
    const outputs = new Map<string, Value>(
      Object.entries(results).map(([name, tensor]) => [
        name,
        backend.valueBehind(tensor, `output "${name}"`),
      ]),
    );
    return tape.finish(outputs);
  } catch (error) {
    const op = missingKernel(error);
    if (op === undefined) throw error;
    const line = sourceLine(error instanceof Error ? error.stack : undefined);
    throw new EngineError(
      'unsupported-op',
      `The op ${op}, called at ${line}, cannot be recorded. Write it with other ops, or run the step with the eager engine.`,
      { cause: error, op },
    );
  } finally {
    Math.random = random;
    Error.stackTraceLimit = depth;
    tfEngine.endScope();
    backend.tape = null;
    if (before) void tf.setBackend(before);
  }
}
