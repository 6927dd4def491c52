/** Times models against each other: in turn, so that all meet the same phases of the machine, and each by its fastest run. */
import * as ort from 'onnxruntime-node';
import type { OnnxModel } from '../onnx/model.js';
import { openSession } from '../running/session.js';
import { sizeOf } from '../tensors.js';

/** Rounds: at least these many, and more while they are short. */
const FEWEST_ROUNDS = 4;
const MOST_ROUNDS = 12;
const ENOUGH_MS = 120;
/** Rounds after which a model that takes this many times as long as the fastest is out. */
const TRIAL_ROUNDS = 2;
const HOPELESS = 1.6;

interface Runner {
  run(): Promise<number>;
  release(): Promise<void>;
}

async function open(model: OnnxModel, threads: number | undefined): Promise<Runner> {
  const session = await openSession(model, { finished: true, ...(threads === undefined ? {} : { threads }) });
  const feeds = Object.fromEntries(
    model.inputs.map(({ name, dims }) => {
      const sides = dims as number[];
      return [name, new ort.Tensor('float32', new Float32Array(sizeOf(sides)).fill(0.1), sides)];
    }),
  );
  return {
    async run() {
      const start = performance.now();
      await session.run(feeds);
      return performance.now() - start;
    },
    release: () => session.release(),
  };
}

/** @returns the milliseconds of each model's fastest run */
export async function race(models: readonly OnnxModel[], threads: number | undefined): Promise<number[]> {
  const best = models.map(() => Number.POSITIVE_INFINITY);
  const runners: Runner[] = [];
  try {
    for (const model of models) runners.push(await open(model, threads));
    // The first run of a session allocates.
    for (const runner of runners) await runner.run();
    const began = performance.now();
    for (let round = 0; round < MOST_ROUNDS; round++) {
      if (round >= FEWEST_ROUNDS && performance.now() - began > ENOUGH_MS) break;
      const limit = round < TRIAL_ROUNDS ? Number.POSITIVE_INFINITY : HOPELESS * Math.min(...best);
      for (const [at, runner] of runners.entries())
        if (round === 0 || best[at]! <= limit) best[at] = Math.min(best[at]!, await runner.run());
    }
    return best;
  } finally {
    for (const runner of runners) await runner.release();
  }
}
