/** Times models against each other: in turn, so that all meet the same phases of the machine, and each by its fastest run. */
import * as ort from 'onnxruntime-node';
import type { OnnxModel } from '../onnx/model.js';
import { openSession } from '../running/session.js';
import { sizeOf } from '../tensors.js';

/** Rounds: at least these many, and more while they are short. */
const FEWEST_ROUNDS = 4;
const MOST_ROUNDS = 12;
const ENOUGH_MS = 60;
/** After so many rounds a model is out that takes so many times as long as the fastest. */
const HOPELESS = [
  { rounds: 1, times: 4 },
  { rounds: 2, times: 1.5 },
];
/** A model has to be faster than one before it by this much. */
const MARGIN = 0.97;

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

/**
 * @param models the one to keep where others are no faster comes first
 * @returns the index of the fastest
 */
export async function race(models: readonly OnnxModel[], threads: number | undefined): Promise<number> {
  const times = models.map((): number[] => []);
  const runners: Runner[] = [];
  try {
    for (const model of models) runners.push(await open(model, threads));
    // The first run of a session allocates.
    for (const runner of runners) await runner.run();
    const began = performance.now();
    let running = [...runners.keys()];
    for (let round = 0; round < MOST_ROUNDS && running.length > 1; round++) {
      if (round >= FEWEST_ROUNDS && performance.now() - began > ENOUGH_MS) break;
      for (const at of running) times[at]!.push(await runners[at]!.run());
      running = running.filter((at) => !isHopeless(times, at, round + 1));
    }
    return winner(times);
  } finally {
    for (const runner of runners) await runner.release();
  }
}

const least = (times: readonly number[]) => Math.min(...times);

function isHopeless(times: readonly number[][], at: number, round: number): boolean {
  const limit = HOPELESS.find(({ rounds }) => rounds === round)?.times ?? Number.POSITIVE_INFINITY;
  return least(times[at]!) > limit * Math.min(...times.map(least));
}

/** The first that none after it beats by the margin, and in most of the rounds that both ran: a machine has phases. */
export function winner(times: readonly number[][]): number {
  const beats = (a: number[], b: number[]) => {
    const both = Math.min(a.length, b.length);
    const won = a.slice(0, both).filter((time, round) => time < b[round]!).length;
    return least(a) < MARGIN * least(b) && won > both / 2;
  };
  return times.reduce((best, each, at) => (beats(each, times[best]!) ? at : best), 0);
}
