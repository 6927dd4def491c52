/** The linear probe: a linear classifier on frozen features, computed once (method.md, section 3). */
import type { Engine, HostTensors } from '@rela/engine';
import { probePlan } from '@rela/learning';
import { createRandom } from '@rela/random';
import { accuracyOf, type LabelledFeatures } from './evaluate.js';
import type { StageTools } from './tools.js';

export interface ProbeOptions {
  trained: LabelledFeatures;
  tested: LabelledFeatures;
  classes: number;
  epochs: number;
  learningRate: number;
  batchSize: number;
  seed: number;
  engine: Engine;
}

/** The accuracy is the mean over this many epochs at the end. */
const LAST_EPOCHS = 3;

/** @returns test accuracy, mean and standard deviation over the last three epochs, 0 to 1 */
export async function trainProbe(
  options: ProbeOptions,
  { signal, progress }: Pick<StageTools, 'signal' | 'progress'>,
): Promise<{ accuracy: number; accuracyStd: number }> {
  const { tested, classes, epochs, learningRate, seed, engine } = options;
  const trained = labelledOnly(options.trained);
  const batch = Math.min(options.batchSize, trained.labels.length);
  const plan = probePlan({ width: trained.width, classes, learningRate });
  const step = await engine.compile(plan.step, plan.initialState(seed), plan.batchSpecs(batch));
  try {
    const accuracies: number[] = [];
    const stepsPerEpoch = Math.floor(trained.labels.length / batch);
    let stepsDone = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      signal.throwIfAborted();
      const order = createRandom(seed, 'probe', epoch).permutation(trained.labels.length);
      for (let at = 0; at < stepsPerEpoch; at++) {
        await step.run({
          ...gather(trained, order.subarray(at * batch, (at + 1) * batch)),
          ...plan.scalars(++stepsDone),
        });
      }
      progress(epoch + 1, epochs, 'epochs');
      if (epoch >= epochs - LAST_EPOCHS)
        accuracies.push(accuracyOf(plan.predict(await step.state(), tested.features), tested.labels));
    }
    return meanAndStd(accuracies);
  } finally {
    await step.dispose();
  }
}

function labelledOnly(all: LabelledFeatures): LabelledFeatures {
  if (all.labels.every((label) => label >= 0)) return all;
  const rows = [...all.labels.keys()].filter((row) => all.labels[row]! >= 0);
  const { features, labels } = gather(all, Uint32Array.from(rows));
  return { features: features.data as Float32Array, labels: labels.data as Int32Array, width: all.width };
}

function gather(
  { features, labels, width }: LabelledFeatures,
  rows: Uint32Array,
): { features: HostTensors[string]; labels: HostTensors[string] } {
  const taken = new Float32Array(rows.length * width);
  const takenLabels = new Int32Array(rows.length);
  for (const [index, row] of rows.entries()) {
    taken.set(features.subarray(row * width, (row + 1) * width), index * width);
    takenLabels[index] = labels[row]!;
  }
  return {
    features: { dtype: 'float32', shape: [rows.length, width], data: taken },
    labels: { dtype: 'int32', shape: [rows.length], data: takenLabels },
  };
}

function meanAndStd(values: number[]): { accuracy: number; accuracyStd: number } {
  const accuracy = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - accuracy) ** 2, 0) / values.length;
  return { accuracy, accuracyStd: Math.sqrt(variance) };
}
