/** The linear probe: a linear classifier on frozen features, computed once (method.md, section 3). */
import type { Engine, HostTensors } from '@rela/engine';
import { type FeatureSource, type ProbePlan, probePlan, rangeOf } from '@rela/learning';
import { createRandom } from '@rela/random';
import { accuracyOf } from './evaluate.js';
import type { StageTools } from './tools.js';

export interface ProbeOptions {
  trained: FeatureSource;
  tested: FeatureSource;
  classes: number;
  epochs: number;
  learningRate: number;
  batchSize: number;
  seed: number;
  engine: Engine;
}

/** The accuracy is the mean over this many epochs at the end. */
const LAST_EPOCHS = 3;
/** Test rows that are read at once. */
const BLOCK = 1024;

/**
 * Mini-batches are read when their turn comes. Some training row has to be labelled.
 * @returns test accuracy, mean and standard deviation over the last three epochs, 0 to 1
 */
export async function trainProbe(
  options: ProbeOptions,
  { signal, progress }: Pick<StageTools, 'signal' | 'progress'>,
): Promise<{ accuracy: number; accuracyStd: number }> {
  const { trained, tested, classes, epochs, learningRate, seed, engine } = options;
  const { width } = trained;
  const labelled = Uint32Array.from([...trained.labels.keys()].filter((row) => trained.labels[row]! >= 0));
  const batch = Math.min(options.batchSize, labelled.length);
  const plan = probePlan({ width, classes, learningRate });
  const step = await engine.compile(plan.step, plan.initialState(seed), plan.batchSpecs(batch));
  const features = new Float32Array(batch * width);
  try {
    const accuracies: number[] = [];
    const stepsPerEpoch = Math.floor(labelled.length / batch);
    let stepsDone = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      signal.throwIfAborted();
      const order = createRandom(seed, 'probe', epoch).permutation(labelled.length);
      for (let at = 0; at < stepsPerEpoch; at++) {
        const rows = order.slice(at * batch, (at + 1) * batch).map((index) => labelled[index]!);
        await trained.read(rows, features);
        await step.run({
          features: { dtype: 'float32', shape: [batch, width], data: features },
          labels: {
            dtype: 'int32',
            shape: [batch],
            data: Int32Array.from(rows, (row) => trained.labels[row]!),
          },
          ...plan.scalars(++stepsDone),
        });
      }
      progress(epoch + 1, epochs, 'epochs');
      if (epoch >= epochs - LAST_EPOCHS)
        accuracies.push(accuracyOf(await predict(plan, await step.state(), tested), tested.labels));
    }
    return meanAndStd(accuracies);
  } finally {
    await step.dispose();
  }
}

/** Block by block. */
async function predict(plan: ProbePlan, state: HostTensors, tested: FeatureSource): Promise<Int32Array> {
  const { width } = tested;
  const count = tested.labels.length;
  const predicted = new Int32Array(count);
  const block = new Float32Array(Math.min(BLOCK, count) * width);
  for (let first = 0; first < count; first += BLOCK) {
    const rows = rangeOf(first, Math.min(BLOCK, count - first));
    await tested.read(rows, block);
    predicted.set(plan.predict(state, block.subarray(0, rows.length * width)), first);
  }
  return predicted;
}

function meanAndStd(values: number[]): { accuracy: number; accuracyStd: number } {
  const accuracy = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - accuracy) ** 2, 0) / values.length;
  return { accuracy, accuracyStd: Math.sqrt(variance) };
}
