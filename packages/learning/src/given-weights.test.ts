import { createRandom } from '@rela/random';
import { expect, it } from 'vitest';
import { firstDifference } from './given-weights.js';
import { normal, tinyBackbone, tinyPlan } from './testing/tiny.js';

const backbone = tinyBackbone();
const weights = backbone.init(createRandom(1));

it('takes the weights of the same backbone, and no others, naming the first tensor that differs', () => {
  expect(firstDifference(backbone, weights)).toBeNull();
  expect(firstDifference(backbone, { ...weights, 'conv1.weight': normal([3, 3, 3, 4], 1) })).toMatch(
    /"conv1\.weight" is float32 \[3, 3, 3, 4\]; in .* it is float32 \[3, 3, 1, 4\]/,
  );
  const { 'bn1.weight': _, ...less } = weights;
  expect(firstDifference(backbone, less)).toMatch(/"bn1\.weight" is missing/);
  expect(firstDifference(backbone, { ...weights, 'fc.weight': normal([2], 1) })).toMatch(
    /no tensor "fc\.weight"/,
  );
});

it('starts a run, and the network that follows it, from the weights that are given', () => {
  const plan = tinyPlan({ method: { name: 'byol', momentum: 0.9, projection: 8 } });
  const state = plan.initialState(weights);
  expect(plan.backboneWeights(state)).toEqual(weights);
  expect(state['target.backbone.conv1.weight']).toEqual(weights['conv1.weight']);
  expect(state['projector.0.weight']).toEqual(plan.initialState()['projector.0.weight']);
});
