/** What a step must not do while it is recorded, since the graph would not do it again: draw randomly, write into variables. */
import { EngineError } from '../errors.js';
import { tf } from '../tf.js';
import { sourceLine } from './source-line.js';

function refuseRandomness(): never {
  throw new EngineError(
    'data-dependent',
    `A random number is drawn at ${sourceLine()}. A step is recorded once, so the number would be the same in every step: draw it outside and hand it in with the batch, or give a seed if it is meant to stay the same.`,
  );
}

function refuseAssignment(): never {
  throw new EngineError(
    'variable-assigned',
    `A variable is assigned at ${sourceLine()}. A step is recorded once, so no later step would assign it: hand its value in as state and return the new one. (TF.js's own optimizers assign variables; compute the gradients with tf.valueAndGrads and return the updated tensors.)`,
  );
}

/** Puts refusals in place of Math.random and Variable.assign. @returns puts back what was there */
export function forbidSurprises(): () => void {
  const { random } = Math;
  const { prototype } = tf.Variable;
  const { assign } = prototype;
  Math.random = refuseRandomness;
  prototype.assign = refuseAssignment;
  return () => {
    Math.random = random;
    prototype.assign = assign;
  };
}
