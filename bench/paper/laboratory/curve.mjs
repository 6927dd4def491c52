// Accuracy over cost of one run: the train stage with a checkpoint at given steps, each of which is judged by linear probe and kNN.
import { createBackbone, exportBackbone } from '@rela/learning';
import { readCheckpoint, train } from '@rela/stages';
import { evaluated, LOADER_THREADS, toolsOf } from '../../experiment.mjs';
import { processorSeconds } from '../../processor-seconds.mjs';

const BACKBONE = 'backbone.';

/** The run's backbone at a checkpoint, as ONNX. */
async function modelAt(state, { training, manifest }, store) {
  const keys = Object.keys(state).filter((key) => key.startsWith(BACKBONE));
  const weights = Object.fromEntries(keys.map((key) => [key.slice(BACKBONE.length), state[key]]));
  const { mean, std, channels, imageSize } = manifest;
  const image = { size: training.imageSize ?? imageSize.height, channels };
  const bytes = exportBackbone(createBackbone(training.backbone, image), weights, { ...image, mean, std });
  return (await store.write(bytes)).digest;
}

/**
 * What the first `steps` steps of a part of a run took; of one that goes on after a pause, without what it took to begin again, which is
 * the study's doing and not the run's.
 * @param clock seconds at the end of each step of the part, counted from its start
 */
function tookOf(clock, steps, { isResumed }) {
  const last = clock[steps - 1];
  if (!isResumed || steps < 2) return last;
  return ((last - clock[0]) / (steps - 1)) * steps;
}

/** Trains to the last of `looks`, from the checkpoint of the part before. @returns what it took to each, and where that is kept */
async function part({ from, looks, isResumed }, options, store) {
  const pause = new AbortController();
  const clocks = { seconds: [], wallSeconds: [] };
  const began = { processor: process.cpuUsage(), wall: performance.now() };
  const written = new Map();
  let switchStep = null;
  const observer = {
    metric: ({ step }) => {
      clocks.seconds.push(processorSeconds(began.processor));
      clocks.wallSeconds.push((performance.now() - began.wall) / 1000);
      if (step >= looks.at(-1)) pause.abort(pause);
    },
    switched: (step) => {
      switchStep = step;
    },
    checkpoint: ({ step, digest }) => written.set(step, { step, digest }),
    warn: () => undefined,
  };
  const kept = { checkpointSeconds: Number.POSITIVE_INFINITY, checkpointSteps: looks.slice(0, -1) };
  const training = {
    ...options,
    ...kept,
    checkpoints: from.step > 0 ? [from] : [],
    loaderThreads: LOADER_THREADS,
  };
  await train(training, observer, { ...toolsOf(store), signal: pause.signal }).catch((reason) => {
    if (reason !== pause) throw reason;
  });
  return {
    switchStep,
    reached: looks.map((step) => ({
      checkpoint: written.get(step),
      seconds: tookOf(clocks.seconds, step - from.step, { isResumed }),
      wallSeconds: tookOf(clocks.wallSeconds, step - from.step, { isResumed }),
    })),
  };
}

/** `looks` in parts, each of which ends where the run may be stopped, or at its end. */
function partsOf(looks, mayStopAt) {
  const parts = [[]];
  for (const look of looks) {
    parts.at(-1).push(look);
    if (mayStopAt(look) && look !== looks.at(-1)) parts.push([]);
  }
  return parts;
}

/**
 * @param options.looks steps after which the backbone is judged, in order; the last ends the run
 * @param options.mayStopAt whether the run may be stopped at a look, and is paused there to be judged; others are judged afterwards
 * @param options.stop told every look so far; true ends the run there
 * @param options.onLook called with every look
 * @returns { looks: [{ step, seconds, wallSeconds, flops, accuracy, knn }], switchStep }: processor seconds, seconds by the clock and
 * operations of the training
 */
export async function curve(
  { training, manifest, targets = null, engine, looks, mayStopAt = () => false, ...told },
  store,
) {
  const { stop = () => false, onLook = () => undefined } = told;
  const seen = [];
  let switchStep = null;
  const before = { seconds: 0, wallSeconds: 0 };
  let from = { step: 0, digest: null };
  for (const steps of partsOf(looks, mayStopAt)) {
    const options = { training, manifest, targets, engine };
    const made = await part({ from, looks: steps, isResumed: seen.length > 0 }, options, store);
    switchStep ??= made.switchStep;
    for (const { checkpoint, seconds, wallSeconds } of made.reached) {
      const { state, progression } = await readCheckpoint(store, checkpoint.digest);
      const model = await modelAt(state, { training, manifest }, store);
      const { accuracy, knn } = await evaluated({ training, manifest, model, engine }, store);
      const cost = { seconds: before.seconds + seconds, wallSeconds: before.wallSeconds + wallSeconds };
      seen.push({ step: checkpoint.step, ...cost, flops: progression.flops, accuracy, knn });
      onLook(seen.at(-1));
    }
    before.seconds += made.reached.at(-1).seconds;
    before.wallSeconds += made.reached.at(-1).wallSeconds;
    from = made.reached.at(-1).checkpoint;
    if (stop(seen)) break;
  }
  return { looks: seen, switchStep };
}
