/** Gradients of a supervised step: the service's own, PyTorch's in float32, and how far each is from PyTorch's in float64. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTensors, runPython, scriptOf, writeTensors } from './torch.js';

/**
 * @import { Engine, HostTensors } from '@rela/engine'
 * @import { TrainingPlan } from '@rela/learning'
 * @typedef {{ plan: TrainingPlan, batch: HostTensors, model: string, channels: number, stem: string, threads: number }} GradientWork
 */

/** AdamW keeps its first moment as a sum (packages/learning/src/adamw.ts): after one step from zeros it is the gradient. */
const FIRST_MOMENT = 'adamw.m.';

/**
 * @param {Engine} engine @param {GradientWork} work
 * @returns {Promise<Map<string, Float32Array>>} under the names of the parameters
 */
export async function gradientsOf(engine, { plan, batch }) {
  const step = await engine.compile(plan.step('method'), plan.initialState(), plan.batchSpecs('method'));
  await step.run(batch);
  const state = await step.state();
  await step.dispose();
  return new Map(
    Object.entries(state)
      .filter(([key]) => key.startsWith(FIRST_MOMENT))
      .map(([key, { data }]) => [key.slice(FIRST_MOMENT.length), /** @type {Float32Array} */ (data)]),
  );
}

/**
 * @param {string} python @param {string} folder for the files that go to PyTorch and come back @param {GradientWork} work
 * @returns gradients in float64 (rounded to float32 when all is done) and in float32
 */
export async function torchGradients(python, folder, { plan, batch, model, channels, stem, threads }) {
  await writeTensors(folder, 'start', plan.initialState());
  await writeTensors(folder, 'batch', batch);
  await writeFile(join(folder, 'run.json'), JSON.stringify({ model, channels, stem, threads }));
  await runPython(python, scriptOf('gradients.py'), [folder]);
  return { float64: await readTensors(folder, 'float64'), float32: await readTensors(folder, 'float32') };
}

/**
 * The worst ‖g − e‖ / ‖e‖ over the parameters.
 * @param {Map<string, Float32Array>} gradients @param {Map<string, Float32Array>} exact every one of its parameters counts
 */
export function distance(gradients, exact) {
  let worst = { parameter: '', distance: 0 };
  for (const [parameter, values] of exact) {
    const ours = gradients.get(parameter);
    if (ours?.length !== values.length) throw new RangeError(`There is no gradient of ${parameter}.`);
    let [difference, length] = [0, 0];
    for (const [index, value] of values.entries()) {
      difference += ((ours[index] ?? Number.NaN) - value) ** 2;
      length += value ** 2;
    }
    const found = Math.sqrt(difference / length);
    if (!(found <= worst.distance)) worst = { parameter, distance: found };
  }
  return worst;
}
