/** TF.js's own CPU backend, op by op: what the tests of this package compare with. */
import { createEngine, type Engine, type HostTensors, type StepFunction, tf } from '@rela/engine';
import type { Tensor } from '@tensorflow/tfjs-core';

export const eagerEngine = (): Promise<Engine> => createEngine({ engine: 'eager', backend: 'cpu' });

/** One step from `state`: the state after it, and its metrics. */
export async function runOnce(
  step: StepFunction,
  state: HostTensors,
  batch: HostTensors,
): Promise<{ state: HostTensors; metrics: HostTensors }> {
  const engine = await eagerEngine();
  const compiled = await engine.compile(step, state, batch);
  try {
    const metrics = await compiled.run(batch);
    return { state: await compiled.state(), metrics };
  } finally {
    await compiled.dispose();
    await engine.dispose();
  }
}

/** The numbers of a tensor that `make` computes. */
export async function numbers(make: () => Tensor): Promise<number[]> {
  const engine = await eagerEngine();
  try {
    const tensor = tf.tidy(make);
    const data = await tensor.data();
    tensor.dispose();
    return [...data];
  } finally {
    await engine.dispose();
  }
}
