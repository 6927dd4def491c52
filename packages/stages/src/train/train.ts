/**
 * The train stage: steps over batches, from the newest checkpoint to the last step.
 *
 *   ReLA-F (method.md, section 2): while the phase rule says "rela" the step minimises
 *   L = ½ mean[1 − cos(W φ(x′), y)] + ½ mean[1 − cos(W φ(x″), y)]; after the switch, the method's own loss.
 *   The state passes from the one step to the other unchanged.
 */
import {
  type DatasetManifest,
  type EndedBy,
  ProblemError,
  type RunMetric,
  type StageResultOf,
  type TargetsManifest,
  type Training,
} from '@rela/contracts';
import { type Engine, parsePlan } from '@rela/engine';
import { createBackbone, createPhaseRule, createTrainingPlan } from '@rela/learning';
import { viewSize } from '../plan-widths.js';
import { type StageTools, secondsSince } from '../tools.js';
import { createBounds } from './bounds.js';
import { firstNonFinite, type Progression, writeCheckpoint } from './checkpoint.js';
import { type Batch, type Feed, openFeed } from './feed.js';
import { finish } from './finish.js';
import { holdOut } from './held-out.js';
import { PhasedStep } from './phased-step.js';
import { createSchedule, inParts, meanImageBytes } from './schedule.js';
import { findStart } from './start.js';
import { bestOf, hasLostPatience, Validation } from './validation.js';

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
  /** Steps after which one is written in any case. */
  checkpointSteps?: readonly number[];
  /** Worker threads that decode images and draw views. */
  loaderThreads: number;
  /** Digest of the checkpoint of a finished run that this one goes on with, where it has none of its own yet. */
  continueFrom?: string | undefined;
  /** Digest of a weight file with the backbone's first weights. */
  init?: string | undefined;
}

/** What a run tells while it trains. */
export interface TrainObserver {
  metric(metric: RunMetric): void;
  /** The first step with the method's own loss. */
  switched(step: number): void;
  /** `final`: the run has ended; earlier ones are of no use any more. */
  checkpoint(written: { step: number; digest: string; bytes: number; final: boolean }): void;
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
  const { training, manifest, targets, engine } = options;
  const { validation: looks, batchSize } = training;
  const image = { size: viewSize(training, manifest) ?? 0, channels: manifest.channels };
  const backbone = createBackbone(training.backbone, image);
  const images = manifest.splits.train.count;
  const heldOut = looks ? holdOut(images, { fraction: looks.fraction, seed: training.seed }) : null;
  const schedule = createSchedule({
    ...training,
    images: heldOut?.kept.length ?? images,
    imageBytes: meanImageBytes(manifest),
    kept: heldOut?.kept,
  });
  const bounds = createBounds(schedule, training.budget);
  const plan = createTrainingPlan({
    training,
    image,
    classes: manifest.classes?.length ?? null,
    k: targets?.k ?? null,
    length: schedule,
  });

  const start = await findStart(options, { plan, backbone }, observer, tools);
  const { progression } = start;
  progression.engines = enginesOf(progression, engine.name, observer);
  let { best } = start;
  const started = performance.now();
  const secondsBefore = progression.seconds;
  const seconds = () => secondsBefore + secondsSince(started);
  const rule = createPhaseRule(training.rela, { epochs: training.epochs, ...schedule });
  if (start.resumed) rule.restore(progression.rule);
  // Its threads start, and make the first batches, while the step is compiled.
  const feed = openFeed({
    training,
    manifest,
    targets,
    plan,
    phase: rule.phase,
    batches: inParts(schedule.batches(progression.step + 1), plan.parts, progression.part),
    batchSize: batchSize / plan.parts,
    threads: options.loaderThreads,
    store: tools.store,
  });
  const opening = PhasedStep.open({ engine, plan, rule, kernels: progression.kernels }, start.state);
  const phased = await opening.catch(async (error) => {
    await feed.close();
    throw error;
  });
  const validation =
    looks && heldOut
      ? new Validation({
          ...{ spec: looks, training, manifest, image, backbone, heldOut, engine, store: tools.store },
          ...{ threads: options.loaderThreads, signal: tools.signal },
          plan: () => parsePlan(phased.kernels),
        })
      : null;

  const finiteState = async () => {
    const state = await phased.state();
    const broken = firstNonFinite(state);
    if (broken) throw notFinite(`the tensor "${broken}"`, progression, training);
    return state;
  };
  const save = async (final = false) => {
    const state = await finiteState();
    const snapshot = {
      ...progression,
      seconds: seconds(),
      kernels: phased.kernels,
      rule: phased.ruleState(),
    };
    const { step } = snapshot;
    const written = { step, ...(await writeCheckpoint(tools.store, { progression: snapshot, state, best })) };
    observer.checkpoint({ ...written, final });
    return { state, written };
  };

  /** A look at the held-out images, unless this step had one. */
  const look = async () => {
    const { step, validations } = progression;
    if (!validation || validations.at(-1)?.step === step) return;
    const weights = plan.backboneWeights(await finiteState());
    const accuracy = await validation.accuracyOf(weights);
    validations.push({ step, epoch: step / schedule.stepsPerEpoch, accuracy });
    if (bestOf(validations) === validations.length - 1) best = weights;
  };
  /** Whether the run has ended after the steps that are done; looks at the held-out images where it is time to. */
  const ending = async (): Promise<EndedBy | null> => {
    const { step, flops, validations } = progression;
    const reached = bounds.reached({ step, flops, seconds: seconds() }, phased.flops * plan.parts);
    const isTime = looks && step > 0 && step % (looks.everyEpochs * schedule.stepsPerEpoch) === 0;
    if (isTime || (reached && step > 0)) await look();
    return reached ?? (hasLostPatience(validations, looks?.patience) ? 'patience' : null);
  };

  const { checkpointSteps = [] } = options;
  const isCheckpointDue = () =>
    secondsSince(savedAt) >= options.checkpointSeconds ||
    (progression.part === 0 && checkpointSteps.includes(progression.step));

  /** Steps, the next one included, before anything has to be decided. */
  const stepsLeft = (): number => {
    const { step, flops } = progression;
    const period = looks ? looks.everyEpochs * schedule.stepsPerEpoch : Number.POSITIVE_INFINITY;
    const untilLook = looks ? period - (step % period) : period;
    const untilCheckpoint = Math.min(...checkpointSteps.filter((at) => at > step).map((at) => at - step));
    return Math.min(untilLook, untilCheckpoint, bounds.room({ step, flops }, phased.flops * plan.parts));
  };

  let savedAt = performance.now();
  try {
    let ended: EndedBy | null = null;
    for (;;) {
      if (tools.signal.aborted) {
        if (progression.step > 0 || progression.part > 0) await save();
        throw tools.signal.reason;
      }
      const next = progression.step + 1;
      if (progression.part === 0) {
        ended = await ending().catch(async (error: unknown) => {
          // Told to stop in the middle of a look: whoever goes on looks again.
          if (tools.signal.aborted) await save();
          throw error;
        });
        if (ended) break;
        if (await phased.advance()) {
          // The method's own step may cost more than the ReLA step that the budget had room for.
          ended = bounds.reached({ ...progression, seconds: seconds() }, phased.flops * plan.parts);
          if (ended) break;
          feed.changePhase(phased.phase);
          observer.switched(next);
        }
      }
      const runs = phased.runsOfNextCall(stepsLeft(), progression.part);
      const places = Array.from({ length: runs }, (_, at) =>
        placeOf(progression.part + at, next, plan.parts),
      );
      const batches = await takeBatches(feed, runs);
      const metrics = await phased.run(
        batches.map(({ tensors }, at) => ({
          ...tensors,
          ...plan.scalars(places[at]!.step, {
            part: places[at]!.part,
            switchStep: phased.switchStep,
          }),
        })),
      );
      for (const batch of batches) batch.release();
      for (const [at, { loss: lossOf, classifierCorrect }] of metrics.entries()) {
        const { step, part } = places[at]!;
        const partLoss = lossOf!.data[0]!;
        if (!Number.isFinite(partLoss))
          throw notFinite('the loss', progression, training, step, phased.ranPhase);
        const correct = classifierCorrect?.data[0];
        progression.part = part % plan.parts;
        progression.partLoss += partLoss;
        progression.partCorrect += correct ?? 0;
        progression.flops += phased.flops;
        progression.waitedSeconds += batches[at]!.waitedSeconds;
        if (progression.part > 0) continue;

        const loss = progression.partLoss / plan.parts;
        phased.observe(loss);
        progression.step = step;
        progression.finalLoss = loss;
        observer.metric({
          step,
          epoch: schedule.epochOf(step),
          phase: phased.ranPhase,
          loss,
          rho: phased.rho,
          classifierAccuracy: correct === undefined ? null : progression.partCorrect / batchSize,
          seconds: seconds(),
        });
        progression.partLoss = 0;
        progression.partCorrect = 0;
      }
      tools.progress(progression.step, bounds.expectedSteps({ ...progression, seconds: seconds() }), 'steps');
      if (isCheckpointDue() && progression.step < schedule.totalSteps) {
        await save();
        savedAt = performance.now();
      }
    }
    if (progression.step === 0) throw noStep(training, phased.flops * plan.parts);
    // What is written from here on is no training.
    const facts = {
      seconds: seconds(),
      kernels: phased.kernels,
      engine: progression.engines.join(', '),
      endedBy: ended,
    };
    const { state, written } = await save(true);
    const { switchStep } = phased;
    return await finish(
      options,
      {
        ...{ backbone, image, progression, best, last: plan.backboneWeights(state) },
        facts: {
          ...facts,
          checkpoint: written,
          switchStep: switchStep !== null && switchStep <= progression.step ? switchStep : null,
        },
      },
      tools,
    );
  } finally {
    await feed.close();
    await validation?.close();
    await phased.close();
  }
}

function noStep({ budget }: Training, flops: number): ProblemError {
  return new ProblemError(
    'invalid-request',
    `The budget has room for no step: budget.flops is ${budget?.flops}, and one step of this run takes ${flops}. Raise it, or take a smaller batch, image or backbone.`,
  );
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

/** Where the run is that comes so many after the first part of step `next`; parts count from 1. */
function placeOf(runs: number, next: number, parts: number): { step: number; part: number } {
  return { step: next + Math.floor(runs / parts), part: (runs % parts) + 1 };
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
