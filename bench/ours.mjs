// Our side of a training step: the plan of a run, compiled, on random images.
import { Training } from '@rela/contracts';
import { createEngine } from '@rela/engine';
import { createBackbone, createTrainingPlan } from '@rela/learning';
import { createRandom } from '@rela/random';

export const THREADS = 2;
const CLASSES = 10;

function batchOf(specs, scalars) {
  const batch = { ...scalars };
  for (const [key, spec] of Object.entries(specs)) {
    if (key in batch) continue;
    const random = createRandom(1, key);
    const size = spec.shape.reduce((product, side) => product * side, 1);
    const data =
      spec.dtype === 'int32'
        ? Int32Array.from({ length: size }, () => random.int(CLASSES))
        : Float32Array.from({ length: size }, () => random.normal());
    batch[key] = { ...spec, data };
  }
  return batch;
}

/**
 * @param work as steps.py reads it: { kind: supervised | byol | rela, model, size, channels, stem, batch }
 * @param options of createEngine; the compiled engine with its fixed plan where they are absent
 */
export async function startOurs({ kind, model, size, channels, stem, batch }, options = {}) {
  const isRela = kind === 'rela';
  const training = Training.parse({
    method: { name: isRela ? 'byol' : kind },
    backbone: { name: model, stem },
    batchSize: batch,
    seed: 1,
    rela: isRela ? {} : null,
  });
  const image = { size, channels };
  const plan = createTrainingPlan({
    training,
    image,
    classes: kind === 'supervised' ? CLASSES : null,
    k: isRela ? createBackbone(training.backbone, image).width : null,
  });
  const engine = await createEngine({ engine: 'compiled', threads: THREADS, plan: 'fixed', ...options });
  const phase = isRela ? 'rela' : 'method';
  const specs = plan.batchSpecs(phase);
  const state = plan.initialState();
  const began = performance.now();
  const step = await engine.compile(plan.step(phase), state, specs);
  const compileSeconds = (performance.now() - began) / 1000;
  const tensors = batchOf(specs, plan.scalars(1));
  return {
    compileSeconds,
    flops: step.flops,
    plan: step.plan,
    /** Seconds of one step. */
    async step() {
      const start = performance.now();
      const { loss } = await step.run(tensors);
      if (!Number.isFinite(loss.data[0])) throw new Error(`The loss of the benchmark is ${loss.data[0]}.`);
      return (performance.now() - start) / 1000;
    },
    async stop() {
      await step.dispose();
      await engine.dispose();
    },
  };
}
