// What a bench trains: the plan of a run, and random images for it.
import { Training } from '@rela/contracts';
import { createBackbone, createTrainingPlan } from '@rela/learning';
import { createRandom } from '@rela/random';

const CLASSES = 10;

/** What most questions are about, without its batch size. */
export const RESNET18 = { kind: 'supervised', model: 'resnet18', size: 32, channels: 3, stem: 'modified' };

/**
 * @param work { kind: supervised | byol | rela, model, size, channels, stem, batch, seed, accumulate }: parts that a batch comes in
 * @returns the plan, and the phase that is asked about
 */
export function planOf({ kind, model, size, channels, stem, batch, seed = 1, accumulate = 1 }) {
  const isRela = kind === 'rela';
  const training = Training.parse({
    method: { name: isRela ? 'byol' : kind },
    backbone: { name: model, stem },
    batchSize: batch,
    accumulate,
    seed,
    rela: isRela ? {} : null,
  });
  const image = { size, channels };
  const plan = createTrainingPlan({
    training,
    image,
    classes: kind === 'supervised' ? CLASSES : null,
    k: isRela ? createBackbone(training.backbone, image).width : null,
  });
  return { plan, phase: isRela ? 'rela' : 'method' };
}

/** Normal numbers for images, random classes for labels. */
export function batchOf({ plan, phase }, seed = 1) {
  const batch = { ...plan.scalars(1) };
  for (const [key, spec] of Object.entries(plan.batchSpecs(phase))) {
    if (key in batch) continue;
    const random = createRandom(seed, key);
    const size = spec.shape.reduce((product, side) => product * side, 1);
    const data =
      spec.dtype === 'int32'
        ? Int32Array.from({ length: size }, () => random.int(CLASSES))
        : Float32Array.from({ length: size }, () => random.normal());
    batch[key] = { ...spec, data };
  }
  return batch;
}
