/** That every backbone learns: a few steps on one batch lower the loss. */
import { createEngine } from '@rela/engine';
import { expect, it } from 'vitest';
import { randomBatch, tinyBackbone, tinyMobilenet, tinyPlan, tinyVit } from './testing/tiny.js';

const STEPS = 15;

it.each([
  ['a residual network', tinyBackbone],
  ['MobileNetV2', tinyMobilenet],
  ['a vision transformer', tinyVit],
] as const)('%s learns a batch by heart', async (_, backbone) => {
  const training = { method: { name: 'supervised' as const }, batchSize: 12 };
  const plan = tinyPlan(training, { backbone: backbone() });
  const specs = plan.batchSpecs('method');
  const engine = await createEngine({ engine: 'compiled', threads: 1 });
  const step = await engine.compile(plan.step('method'), plan.initialState(), specs);
  const batch = randomBatch(specs, 1);
  const losses: number[] = [];
  for (let at = 1; at <= STEPS; at++)
    losses.push((await step.run({ ...batch, ...plan.scalars(at) })).loss!.data[0]!);
  await step.dispose();
  await engine.dispose();
  expect(losses.at(-1)).toBeLessThan(0.95 * losses[0]!);
});
