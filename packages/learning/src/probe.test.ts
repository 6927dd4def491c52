import { createRandom } from '@rela/random';
import { expect, it } from 'vitest';
import { probePlan } from './probe.js';
import { eagerEngine } from './testing/eager.js';
import { normal } from './testing/tiny.js';

const width = 4;
const classes = 3;

it('learns classes that a line can part, and leaves features without a label alone', async () => {
  const plan = probePlan({ width, classes, learningRate: 0.05 });
  const random = createRandom(1);
  const rows = 48;
  const labels = Int32Array.from({ length: rows }, () => random.int(classes));
  const features = normal([rows, width], 2);
  for (const [row, label] of labels.entries()) features.data[row * width + label]! += 5;
  const shown = labels.map((label, row) => (row % 8 === 0 ? -1 : label));
  const engine = await eagerEngine();
  const step = await engine.compile(plan.step, plan.initialState(7), plan.batchSpecs(rows));
  const losses: number[] = [];
  for (let at = 1; at <= 60; at++) {
    const { loss } = await step.run({
      features,
      labels: { dtype: 'int32', shape: [rows], data: shown },
      ...plan.scalars(at),
    });
    losses.push(loss!.data[0]!);
  }
  const state = await step.state();
  await step.dispose();
  await engine.dispose();
  expect(losses.at(-1)).toBeLessThan(0.3 * losses[0]!);
  const right = plan.predict(state, features.data).filter((label, row) => label === labels[row]).length;
  expect(right / rows).toBeGreaterThan(0.95);
});

it('gives logits W·h + b', () => {
  const plan = probePlan({ width: 2, classes: 2, learningRate: 1 });
  const state = {
    'probe.weight': { dtype: 'float32' as const, shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    'probe.bias': { dtype: 'float32' as const, shape: [2], data: Float32Array.of(10, 0) },
  };
  const features = Float32Array.of(1, 1, 0, 2, -1, 0);
  expect([...plan.logits(state, features)]).toEqual([14, 6, 16, 8, 9, -2]);
  expect([...plan.predict(state, features)]).toEqual([0, 0, 0]);
});
