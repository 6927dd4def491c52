import { expect, it } from 'vitest';
import { inspectPrior } from './inspect.js';
import { buildModel } from './testing/model-builder.js';
import { smallNet } from './testing/models.js';

it('takes a model with one output as it came', async () => {
  const prior = await inspectPrior(buildModel(smallNet()), {});
  expect(prior).toMatchObject({
    input: 'images',
    output: 'logits',
    pool: false,
    batch: null,
    width: 4,
    model: null,
  });
});
it('cuts', async () => {
  const prior = await inspectPrior(buildModel(smallNet()), { output: 'map' });
  expect(prior).toMatchObject({ input: 'images', output: 'map', pool: true, batch: null, width: 6 });
});
