import type { Preprocessing } from '@rela/contracts';
import { expect, it } from 'vitest';
import { priorDigest } from './digest.js';

const preprocessing: Preprocessing = {
  height: 8,
  width: 9,
  channels: 1,
  layout: 'nchw',
  dtype: 'float32',
  scale: 'unit',
  mean: [0.5],
  std: [0.25],
};
const prior = { model: `sha256:${'a'.repeat(64)}`, output: 'features', preprocessing };

it('is the same for the same content, whatever the order of its fields', () => {
  const reversed = Object.fromEntries(Object.entries(preprocessing).reverse()) as Preprocessing;
  expect(priorDigest({ preprocessing: reversed, output: 'features', model: prior.model })).toBe(
    priorDigest(prior),
  );
  expect(priorDigest(prior)).toMatch(/^sha256:[0-9a-f]{64}$/);
});

it('changes with the model, the output and every part of the preprocessing', () => {
  const changed = [
    { ...prior, model: `sha256:${'b'.repeat(64)}` },
    { ...prior, output: 'logits' },
    ...(
      [
        { height: 9 },
        { width: 8 },
        { channels: 3 },
        { layout: 'nhwc' },
        { dtype: 'uint8' },
        { scale: 'byte' },
        { mean: [0.4] },
        { std: [0.2] },
      ] as Partial<Preprocessing>[]
    ).map((change) => ({ ...prior, preprocessing: { ...preprocessing, ...change } })),
  ];
  expect(new Set([prior, ...changed].map(priorDigest)).size).toBe(changed.length + 1);
});
