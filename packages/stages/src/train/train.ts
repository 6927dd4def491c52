/**
 * The train stage: steps over batches, from the newest checkpoint to the last step.
 *
 *   ReLA-F (method.md, section 2): while the phase rule says "rela" the step minimises
 *   L = ½ mean[1 − cos(W φ(x′), y)] + ½ mean[1 − cos(W φ(x″), y)]; after the switch, the method's own loss.
 *   The state passes from the one step to the other unchanged.
 */
import {
  type DatasetManifest,
  ProblemError,
  type RunMetric,
  type StageResultOf,
  type TargetsManifest,
  type Training,
} from '@rela/contracts';
import type { Engine, HostTensors } from '@rela/engine';
import {
  createBackbone,
  createPhaseRule,
  createTrainingPlan,
  exportBackbone,
  type TrainingPlan,
} from '@rela/learning';
import { viewSize } from '../plan.js';
import { encodeTensors } from '../tensor-file.js';
import { type StageTools, secondsSince } from '../tools.js';
import {
  type Checkpoint,
  firstNonFinite,
  type Progression,
  readCheckpoint,
  writeCheckpoint,
} from './checkpoint.js';
import { type Batch, type Feed, openFeed } from './feed.js';
import { PhasedStep } from './phased-step.js';
import { createSchedule } from './schedule.js';

export interface TrainOptions {
  training: Training;
  manifest: DatasetManifest;
  /** The efficient data set; null without ReLA. */
  targets: TargetsManifest | null;
  engine: Engine;
  /** Checkpoints to go on from, newest first. */
  checkpoints: { step: number; digest: string }[];
  /** Longest training time between two checkpoints. */
  checkpointSeconds: number;
  /** Worker threads that decode images and draw views. */
  loaderThreads: number;
}

/** What a run tells while it trains. */
export interface TrainObserver {
  metric(metric: RunMetric): void;
  /** The first step with the method's own loss. */
  switched(step: number): void;
  checkpoint(written: { step: number; digest: string; bytes: number }): void;
  /** Something that a person should know and that stops nothing. */
  warn(text: string): void;
}

/**
 * Trains a run to its end and exports its backbone.
 * Where `tools.signal` is aborted, a checkpoint of the last step is written before its reason is thrown.
 * @throws ProblemError `invalid-data` where the loss is no longer finite; the last good checkpoint stays.
 */
export async function train(
  options: TrainOptions,
  observer: TrainObserver,
  tools: StageTools,
): Promise<StageResultOf<'train'>> {
  const { training, manifest, targets } = options;
  const image = { size: viewSize(training, manifest) ?? 0, channels: manifest.channels };
  const schedule = createSchedule({ images: manifest.splits.train.count, ...training });
  const plan = createTrainingPlan({
    training,
    image,
    classes: manifest.classes?.length ?? null,
    k: targets?.k ?? null,
  });

  const resumed = await newestReadable(options.checkpoints, observer, tools);
  const started = performance.now();
  const progression: Progression = resumed?.progression ?? {
    step: 0,
    seconds: 0,
    waitedSeconds: 0,
    flops: 0,
    finalLoss: null,
    kernels: {},
    engines: [],
    rule: null,
  };
  progression.engines = enginesOf(progression, options.engine.name, observer);
  const secondsBefore = progression.seconds;
  const seconds = () => secondsBefore + secondsSince(started);
  const rule = createPhaseRule(training.rela, {
    epochs: training.epochs,
    stepsPerEpoch: schedule.stepsPerEpoch,
  });
  if (resumed) rule.restore(progression.rule);
  // Its threads start, and make the first batches, while the step is compiled.
  const feed = openFeed({
    training,
    manifest,
    targets,
    image,
    phase: rule.phase,
    batches: schedule.batches(progression.step + 1),
    threads: options.loaderThreads,
    store: tools.store,
    specsOf: (phase) => plan.batchSpecs(phase),
  });
  const opening = PhasedStep.open(
    { engine: options.engine, plan, rule, kernels: progression.kernels },
    resumed?.state ?? plan.initialState(),
  );
  const phased = await opening.catch(async (error) => {
    await feed.close();
    throw error;
  });

  const save = async () => {
    const state = await phased.state();
    const broken = firstNonFinite(state);
    if (broken) throw notFinite(`the tensor "${broken}"`, progression, training);
    const snapshot = {
      ...progression,
      seconds: seconds(),
      kernels: phased.kernels,
      rule: phased.ruleState(),
    };
    observer.checkpoint({
      step: snapshot.step,
      ...(await writeCheckpoint(tools.store, { progression: snapshot, state })),
    });
  };

  let savedAt = performance.now();
  try {
    while (progression.step < schedule.totalSteps) {
      if (tools.signal.aborted) {
        if (progression.step > 0) await save();
        throw tools.signal.reason;
      }
      const next = progression.step + 1;
      if (await phased.advance()) {
        feed.changePhase(phased.phase);
        observer.switched(next);
      }
      const batches = await takeBatches(feed, phased.stepsOfNextCall(schedule.totalSteps - progression.step));
      const metrics = await phased.run(
        batches.map(({ tensors }, at) => ({ ...tensors, ...plan.scalars(next + at) })),
      );
      for (const batch of batches) batch.release();
      for (const [at, { loss: lossOf, classifierCorrect }] of metrics.entries()) {
        const step = next + at;
        const loss = lossOf!.data[0]!;
        if (!Number.isFinite(loss)) throw notFinite('the loss', progression, training, step, phased.ranPhase);
        phased.observe(loss);

        progression.step = step;
        progression.finalLoss = loss;
        progression.flops += phased.flops;
        progression.waitedSeconds += batches[at]!.waitedSeconds;
        const correct = classifierCorrect?.data[0];
        observer.metric({
          step,
          epoch: schedule.epochOf(step),
          phase: phased.ranPhase,
          loss,
          rho: phased.rho,
          classifierAccuracy: correct === undefined ? null : correct / training.batchSize,
          seconds: seconds(),
        });
      }
      tools.progress(progression.step, schedule.totalSteps, 'steps');
      if (secondsSince(savedAt) >= options.checkpointSeconds && progression.step < schedule.totalSteps) {
        await save();
        savedAt = performance.now();
      }
    }
    const state = await phased.state();
    const broken = firstNonFinite(state);
    if (broken) throw notFinite(`the tensor "${broken}"`, progression, training);
    return await finish(options, plan, state, phased, progression, seconds(), image, tools);
  } finally {
    await feed.close();
    await phased.close();
  }
}

/** The newest checkpoint that can be read; a damaged one is told and passed over. */
async function newestReadable(
  checkpoints: TrainOptions['checkpoints'],
  observer: TrainObserver,
  tools: StageTools,
): Promise<Checkpoint | null> {
  for (const { step, digest } of checkpoints) {
    try {
      return await readCheckpoint(tools.store, digest);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      observer.warn(`The checkpoint of step ${step} cannot be read and is passed over: ${reason}`);
    }
  }
  return null;
}

/** The engines of the run, with the one that goes on. Who goes on with another one is told what that means. */
function enginesOf({ engines, step }: Progression, name: string, observer: TrainObserver): string[] {
  const last = engines.at(-1);
  if (last === name) return engines;
  if (last !== undefined)
    observer.warn(
      `The run goes on after step ${step} with the engine ${name}; it was begun with ${engines.join(', ')}. Engines differ in the last digits of their numbers: the model is not, bit for bit, that of a run on one engine.`,
    );
  return [...engines, name];
}

async function takeBatches(feed: Feed, count: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let at = 0; at < count; at++) batches.push(await feed.next());
  return batches;
}

function notFinite(
  what: string,
  progression: Progression,
  training: Training,
  step = progression.step,
  phase?: string,
): ProblemError {
  const last =
    progression.finalLoss === null
      ? 'it was the first step'
      : `the last finite loss was ${progression.finalLoss.toPrecision(6)} at step ${progression.step}`;
  const { learningRate, weightDecay } = training.optimizer;
  return new ProblemError(
    'invalid-data',
    `Training stopped at step ${step}${phase ? ` (${phase} loss)` : ''}: ${what} is not finite; ${last}. The last good checkpoint is kept. Lower optimizer.learningRate (${learningRate}) or optimizer.weightDecay (${weightDecay}), and check the data for values that are not numbers.`,
  );
}

async function finish(
  { training, manifest }: TrainOptions,
  plan: TrainingPlan,
  state: HostTensors,
  phased: PhasedStep,
  progression: Progression,
  seconds: number,
  image: { size: number; channels: number },
  { store }: StageTools,
): Promise<StageResultOf<'train'>> {
  const backbone = createBackbone(training.backbone, image);
  const weights = plan.backboneWeights(state);
  const onnx = exportBackbone(backbone, weights, { ...image, mean: manifest.mean, std: manifest.std });
  const model = await store.write(onnx);
  async function* pieces() {
    yield* encodeTensors(weights, { backbone: JSON.stringify(training.backbone) });
  }
  const file = await store.write(pieces());
  return {
    kind: 'train',
    model: model.digest,
    modelBytes: model.bytes,
    width: backbone.width,
    weights: file.digest,
    seconds,
    steps: progression.step,
    switchStep: phased.switchStep,
    flops: progression.flops,
    finalLoss: progression.finalLoss,
    waitShare: seconds > 0 ? progression.waitedSeconds / seconds : 0,
    engine: progression.engines.join(', '),
    kernels: phased.kernels,
  };
}
