/** What a step function may return: named tensors for its state and its metrics, and nothing that has to be waited for. */
import { EngineError } from '../errors.js';
import { sourceLine } from '../recording/source-line.js';
import { isSameShape, type TensorSpec, type Tensors } from '../tensors.js';
import { tf } from '../tf.js';
import { describe } from './engine.js';

const SHAPE = 'A step returns { state: { … }, metrics: { … } }, tensors by name; both may be empty.';

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !(value instanceof tf.Tensor);

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (value instanceof tf.Tensor) return 'a tensor';
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function checkNamed(part: 'state' | 'metrics', value: unknown): Tensors {
  if (!isRecord(value) || Array.isArray(value))
    throw new EngineError(
      'bad-result',
      `The step that is compiled at ${sourceLine()} returns ${kindOf(value)} as its ${part}. ${SHAPE}`,
    );
  for (const [name, tensor] of Object.entries(value))
    if (!(tensor instanceof tf.Tensor))
      throw new EngineError(
        'bad-result',
        `The step that is compiled at ${sourceLine()} returns ${kindOf(tensor)} as "${name}" of its ${part}, where a tensor belongs. Make one with tf.scalar or tf.tensor.`,
      );
  return value as Tensors;
}

/**
 * @throws EngineError `bad-result` where the result is no step's, `data-dependent` where it is a promise, `state-mismatch`
 *   naming the key of the state that is new or has changed its shape
 */
export function checkResult(
  result: unknown,
  given: Record<string, TensorSpec>,
): { state: Tensors; metrics: Tensors } {
  if (result instanceof Promise) {
    // What becomes of it is of no interest any more, and unheard it would end the process.
    result.catch(() => undefined);
    throw new EngineError(
      'data-dependent',
      `The step that is compiled at ${sourceLine()} returns a promise. A step is recorded while it is called: it cannot wait for anything. Make it a plain function, wait before it, and hand in what came as batch or state.`,
    );
  }
  if (!isRecord(result) || Array.isArray(result))
    throw new EngineError(
      'bad-result',
      `The step that is compiled at ${sourceLine()} returns ${kindOf(result)}. ${SHAPE}`,
    );
  const state = checkNamed('state', result.state);
  const metrics = checkNamed('metrics', result.metrics);
  for (const [name, { shape, dtype }] of Object.entries(state)) {
    const spec = given[name];
    if (!spec)
      throw new EngineError('state-mismatch', `The step returns a state "${name}" that it was not given.`);
    if (dtype !== spec.dtype || !isSameShape(shape, spec.shape))
      throw new EngineError(
        'state-mismatch',
        `The step returns its state "${name}" as ${describe({ shape, dtype: dtype as TensorSpec['dtype'] })}; it was given ${describe(spec)}. A step keeps the shapes of its state.`,
      );
  }
  return { state, metrics };
}
