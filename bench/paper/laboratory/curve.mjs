// Accuracy over cost of one run: the train stage, paused at given steps as a queue would pause it, for a look by linear probe and kNN.
import { createBackbone, exportBackbone } from '@rela/learning';
import { readCheckpoint, train } from '@rela/stages';
import { evaluated, LOADER_THREADS, toolsOf } from '../../experiment.mjs';
import { processorSeconds } from '../../processor-seconds.mjs';

const BACKBONE = 'backbone.';

/** The run's backbone at a checkpoint, as ONNX. */
async function modelAt(digest, { training, manifest }, store) {
  const { state } = await readCheckpoint(store, digest);
  const keys = Object.keys(state).filter((key) => key.startsWith(BACKBONE));
  const weights = Object.fromEntries(keys.map((key) => [key.slice(BACKBONE.length), state[key]]));
  const { mean, std, channels, imageSize } = manifest;
  const image = { size: training.imageSize ?? imageSize.height, channels };
  const bytes = exportBackbone(createBackbone(training.backbone, image), weights, { ...image, mean, std });
  return (await store.write(bytes)).digest;
}

/**
 * What a part of a run took, without the seconds in which its step was made again after a pause, which is the study's doing and not the
 * run's.
 * @param clock of its steps, counted from its start
 */
function tookOf(clock, { isResumed }) {
  const [first, last] = [clock[0], clock.at(-1)];
  if (!isResumed || clock.length < 2) return last;
  return ((last - first) / (clock.length - 1)) * clock.length;
}

/**
 * @param options.looks steps after which the backbone is judged, in order; the last ends the run
 * @param options.stop told every look so far; true ends the run there
 * @param options.onLook called with every look
 * @returns { looks: [{ step, seconds, wallSeconds, flops, accuracy, knn }], switchStep }: processor seconds, seconds by the clock and
 * operations of the training, the pauses left out
 */
export async function curve(
  { training, manifest, targets = null, engine, looks, stop = () => false, onLook = () => undefined },
  store,
) {
  const seen = [];
  let checkpoints = [];
  let switchStep = null;
  let seconds = 0;
  let wallSeconds = 0;
  for (const at of looks) {
    const pause = new AbortController();
    let last = null;
    const clocks = { processor: [], wall: [] };
    const began = { processor: process.cpuUsage(), wall: performance.now() };
    const observer = {
      metric: ({ step }) => {
        clocks.processor.push(processorSeconds(began.processor));
        clocks.wall.push((performance.now() - began.wall) / 1000);
        if (step >= at) pause.abort(pause);
      },
      switched: (step) => {
        switchStep = step;
      },
      checkpoint: (written) => {
        last = written;
      },
      warn: () => undefined,
    };
    const options = { training, manifest, targets, engine, checkpoints, loaderThreads: LOADER_THREADS };
    const tools = { ...toolsOf(store), signal: pause.signal };
    await train({ ...options, checkpointSeconds: Number.POSITIVE_INFINITY }, observer, tools).catch(
      (reason) => {
        if (reason !== pause) throw reason;
      },
    );
    checkpoints = [last];
    const { progression } = await readCheckpoint(store, last.digest);
    const model = await modelAt(last.digest, { training, manifest }, store);
    const { accuracy, knn } = await evaluated({ training, manifest, model, engine }, store);
    const { step, flops } = progression;
    const isResumed = seen.length > 0;
    seconds += tookOf(clocks.processor, { isResumed });
    wallSeconds += tookOf(clocks.wall, { isResumed });
    seen.push({ step, seconds, wallSeconds, flops, accuracy, knn });
    onLook(seen.at(-1));
    if (stop(seen)) break;
  }
  return { looks: seen, switchStep };
}
