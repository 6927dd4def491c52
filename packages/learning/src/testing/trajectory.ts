/** An optimizer by itself: some steps on gradients that are given, for the tests of the optimizers. */
import type { HostTensors } from '@rela/engine';
import { scalar } from '../initial.js';
import { only } from '../names.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { eagerEngine } from './eager.js';

/** The parameters after a step on every element of `gradients`; a tensor without a gradient in the first has none at all. */
export async function trajectory(
  optimizer: Optimizer,
  parameters: HostTensors,
  gradients: HostTensors[],
  learningRate: number,
): Promise<HostTensors> {
  const engine = await eagerEngine();
  const step = await engine.compile(
    (state, { learningRate: rate, ...given }) => ({
      state: optimizer.update(state, given, rate as never),
      metrics: {},
    }),
    { ...parameters, ...optimizer.init(parameters) },
    { ...gradients[0], learningRate: scalar(0) },
  );
  for (const given of gradients) await step.run({ ...given, learningRate: scalar(learningRate) });
  const state = await step.state();
  await step.dispose();
  await engine.dispose();
  return only(state, (key) => key in parameters);
}
