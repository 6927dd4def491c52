import { createRandom } from '@rela/random';
import { expect, it } from 'vitest';
import { firstDifference } from './given-weights.js';
import { toStateDict } from './state-dict.js';
import { normal, tinyBackbone, tinyPlan } from './testing/tiny.js';

const backbone = tinyBackbone();
const weights = backbone.init(createRandom(1));

const given = toStateDict(weights);

it('takes the weights of the same backbone, and no others, naming the first tensor that differs', () => {
  expect(firstDifference(backbone, given)).toBeNull();
  expect(firstDifference(backbone, { ...given, 'conv1.weight': normal([4, 3, 3, 3], 1) })).toMatch(
    /"conv1\.weight" is float32 \[4, 3, 3, 3\]; in .* it is float32 \[4, 1, 3, 3\]/,
  );
  const { 'bn1.weight': _, ...less } = given;
  expect(firstDifference(backbone, less)).toMatch(/"bn1\.weight" is missing; .* has it as float32 \[4\]/);
  expect(firstDifference(backbone, { ...given, 'layer9.conv1.weight': normal([2], 1) })).toMatch(
    /has no tensor "layer9\.conv1\.weight" float32 \[2\]/,
  );
  const counted = { dtype: 'int32' as const, shape: [4], data: new Int32Array(4) };
  expect(firstDifference(backbone, { ...given, 'bn1.bias': counted })).toMatch(
    /"bn1\.bias" is int32 \[4\]; in .* it is float32 \[4\]/,
  );
});

it.each(['fc.weight', 'classifier.1.weight', 'head.bias', 'head_dist.weight', 'bn1.num_batches_tracked'])(
  'passes over %s, which no feature is made of',
  (name) => expect(firstDifference(backbone, { ...given, [name]: normal([2], 1) })).toBeNull(),
);

it('starts a run, and the network that follows it, from the weights that are given', () => {
  const plan = tinyPlan({ method: { name: 'byol', momentum: 0.9, projection: 8 } });
  const state = plan.initialState(weights);
  expect(plan.backboneWeights(state)).toEqual(weights);
  expect(state['target.backbone.conv1.weight']).toEqual(weights['conv1.weight']);
  expect(state['projector.0.weight']).toEqual(plan.initialState()['projector.0.weight']);
});
