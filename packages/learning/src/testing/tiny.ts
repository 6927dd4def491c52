/** A network and batches small enough for TF.js's own CPU backend, for the tests of this package. */
import { Training } from '@rela/contracts';
import type { HostTensor, HostTensors, TensorSpec } from '@rela/engine';
import { createRandom } from '@rela/random';
import type { Backbone } from '../backbones/backbone.js';
import { createMobilenetV2 } from '../backbones/mobilenet.js';
import { createResnet } from '../backbones/resnet.js';
import { createVit } from '../backbones/vit.js';
import { createMethod } from '../methods/registry.js';
import type { RunLength } from '../rates.js';
import { planAround, type TrainingPlan } from '../training-plan.js';

export const TINY = { image: { size: 8, channels: 1 }, classes: 3, k: 5 };

/** Two stages of one block each, with both kinds of shortcut; d = 6. */
export function tinyBackbone(channels = TINY.image.channels) {
  return createResnet({
    spec: { name: 'resnet18-narrow', stem: 'modified' },
    stem: 'modified',
    block: 'basic',
    channels,
    stages: [
      { width: 4, blocks: 1 },
      { width: 6, blocks: 1 },
    ],
  });
}

/** One bottleneck without and two with an expansion, one of them with a residual; d = 10. */
export function tinyMobilenet(channels = TINY.image.channels) {
  return createMobilenetV2({
    spec: { name: 'mobilenet-v2', stem: 'modified' },
    stem: 'standard',
    channels,
    first: 4,
    stages: [
      { expansion: 1, width: 3, blocks: 1, stride: 1 },
      { expansion: 2, width: 4, blocks: 2, stride: 2 },
    ],
    last: 10,
  });
}

/** Two blocks of two heads on four patches; d = 8. */
export function tinyVit(channels = TINY.image.channels, size = TINY.image.size) {
  return createVit({
    spec: { name: 'vit-tiny', stem: 'modified' },
    image: { size, channels },
    ...{ patch: 4, width: 8, depth: 2, heads: 2 },
  });
}

/** A plan around the tiny network, or another one, batch 4. `rela: null` goes without targets. */
export function tinyPlan(
  training: Pick<Training, 'method'> & Partial<Training>,
  {
    classes = TINY.classes,
    backbone = tinyBackbone(),
    length = { stepsPerEpoch: 5, totalSteps: 5 * (training.epochs ?? 100) },
  }: { classes?: number | null; backbone?: Backbone; length?: RunLength } = {},
): TrainingPlan {
  const parsed = Training.parse({ batchSize: 4, seed: 3, ...training });
  const { image, k } = TINY;
  const { batchSize, seed } = parsed;
  const method = createMethod(parsed.method, { backbone, classes, image, batchSize, seed });
  return planAround(backbone, method, {
    ...{ training: parsed, image, classes, length },
    k: parsed.rela ? k : null,
  });
}

/** Normal numbers of that shape. */
export function normal(shape: number[], seed: number): HostTensor & { data: Float32Array } {
  const random = createRandom(seed, 'normal');
  const size = shape.reduce((product, side) => product * side, 1);
  return { dtype: 'float32', shape, data: Float32Array.from({ length: size }, () => random.normal()) };
}

/** A random batch for `specs`, with labels from −1 to classes − 1; scalars are left to the plan. */
export function randomBatch(specs: Record<string, TensorSpec>, step: number): HostTensors {
  const batch: HostTensors = {};
  for (const [key, spec] of Object.entries(specs)) {
    if (spec.shape.length === 0) continue;
    const random = createRandom(step, key);
    const size = spec.shape.reduce((product, side) => product * side, 1);
    batch[key] =
      spec.dtype === 'int32'
        ? { ...spec, data: Int32Array.from({ length: size }, () => random.int(TINY.classes + 1) - 1) }
        : { ...spec, data: Float32Array.from({ length: size }, () => random.normal()) };
  }
  return batch;
}
