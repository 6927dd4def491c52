/** Turns an accepted request into runs and stages; says what is wrong with it before any worker spends a minute. */
import {
  type Dataset,
  type DatasetManifest,
  type EvaluateTask,
  fieldName,
  type JobPlan,
  type JobRequest,
  type Prior,
  ProblemError,
  type Run,
  type RunSpec,
  type Training,
} from '@rela/contracts';
import type { TransferDataset } from './evaluation-faults.js';
import { awaitChoice, gateSample } from './plan-choice.js';
import { findFaults } from './plan-faults.js';
import { awaitStages, restOfPlan } from './plan-later.js';
import { planTargets } from './plan-targets.js';
import { featureWidth, SOME_SIZE, targetWidth, viewSize, widestTarget } from './plan-widths.js';
import { resultKey } from './result-key.js';
import type { RunStart } from './run-start.js';
import { drawSample } from './sample.js';
import { commonSource, sourceOfRun, sourcesOf, type TargetSource } from './target-source.js';

/** What the request refers to, looked up. `dataset` is ready. */
export interface KnownResources {
  dataset: Pick<Dataset, 'id' | 'status' | 'digest'>;
  manifest: DatasetManifest;
  prior: Prior | null;
  /** What `prior: { auto }` names, in its order. */
  candidates?: Prior[];
  /** What `prior: { blend }` names, in its order. */
  blend?: { prior: Prior; weight: number }[];
  /** The run that `prior: { run }` names, whose model is not known yet. */
  awaited?: AwaitedRun | undefined;
  /** Jobs that `after` names. */
  after?: readonly string[];
  /** Priors that runs name as their own, by the name that was given. */
  priors?: ReadonlyMap<string, Prior>;
  /** What the run of that index starts from; none: the beginning. */
  starts?: ReadonlyMap<number, RunStart>;
  /** Data sets that `evaluation.transfer` names, by the name that was given. */
  transfers?: ReadonlyMap<string, TransferDataset>;
}

/** A run of another job, and the name that the prior gets which its model becomes. */
export interface AwaitedRun {
  run: Pick<Run, 'id' | 'jobId' | 'spec'>;
  name: string;
}

/** What the stages need of it, where the request has been checked. */
export interface CheckedResources extends Omit<KnownResources, 'transfers'> {
  transfers?: ReadonlyMap<string, Pick<TransferDataset, 'name' | 'digest'>>;
}

/** Widest target that a prior is judged by where targets are made for no run and k is not given. */
const LOOKED_AT = 128;

/** Each judgement of a run beside the first one: another data set, or a share of the labels. */
function furtherTasks(
  { evaluation }: Training,
  transfers: CheckedResources['transfers'],
): { task: EvaluateTask; decides: Parameters<typeof resultKey>[1] }[] {
  const { probe, knn, finetune, transfer = [] } = evaluation;
  return [
    ...transfer.map((reference) => {
      const { name, digest } = transfers!.get(reference)!;
      return {
        task: { kind: 'transfer' as const, name, dataset: digest },
        decides: { transfer: digest, evaluation: { probe, knn } },
      };
    }),
    ...(finetune?.shares ?? []).map((share) => {
      const { shares: _shares, ...spec } = finetune!;
      return { task: { kind: 'finetune' as const, share }, decides: { finetune: { share, ...spec } } };
    }),
  ];
}

/** The training without what does not change it: its name, and how its result is judged. */
function decidesTraining(run: Training): Omit<Training, 'evaluation'> {
  const { evaluation: _evaluation, ...training } = run;
  return training;
}

/** @throws ProblemError `invalid-request` where the run goes on with one that had other targets */
function refuseOtherTargets(
  start: RunStart | undefined,
  reduceKey: string | null,
  { prior, index }: { prior: string | undefined; index: number },
): void {
  const earlier = start?.continueFrom;
  if (!earlier || earlier.input.reduceKey === reduceKey) return;
  const field = prior === undefined ? 'prior' : fieldName(['runs', index, 'prior']);
  const message = `is another than that of run ${earlier.run.id}, which runs[${index}] goes on with; name the same prior`;
  throw new ProblemError('invalid-request', `The job cannot run. ${field}: ${message}.`, [
    { field, message },
  ]);
}

/** The plan until the model of another job's run is a prior: the stage that makes it one, and the runs, which wait for it. */
function awaitAdoption(
  plan: JobPlan,
  { run, name }: AwaitedRun,
  { request, known }: { request: JobRequest; known: CheckedResources },
): JobPlan {
  const { id, jobId } = run;
  const rest = restOfPlan({ request, known, datasetId: plan.datasetId, dataset: known.dataset.digest! });
  return awaitStages(
    plan,
    [
      {
        ...{ ref: 'adopt', kind: 'adopt', runRef: null, dependsOn: [], after: [] },
        resultKey: resultKey('adopt', { run: id, name }),
        input: { kind: 'adopt', run: { id, jobId }, name, model: null, ...rest },
      },
    ],
    'adopt',
  );
}

/** Of the runs without a prior of their own; or of all, where one is every run's own. */
function priorIdOf(runs: readonly RunSpec[], known: CheckedResources): string | null {
  // Without an id yet.
  if (known.awaited) return null;
  const common = commonSource(known);
  const [only, ...others] = common ? [common] : sourcesOf(runs, known, false);
  return only && others.length === 0 && only.blend.length === 0 ? only.parts[0]!.id : null;
}

/**
 * The stages of a job: embed once a shard and prior, reduce once a target width and prior, also where no run asks for it; once a run
 * train and evaluate, and evaluate again for every other data set and share of the labels that it names. Before it is used a prior is
 * appraised; of several candidates one is chosen, and the stages that embed with it come with that choice.
 * @throws ProblemError `invalid-request` naming every field that does not fit the data.
 */
export function planJob(request: JobRequest, known: KnownResources): JobPlan {
  const faults = findFaults(request, known);
  if (faults.length > 0)
    throw new ProblemError(
      'invalid-request',
      `The job cannot run. ${faults.map((fault) => `${fault.field}: ${fault.message}`).join('. ')}.`,
      faults,
    );
  return planStages(request, known, { appraised: false });
}

/** The same for a request that has been checked. @param options.appraised whether the prior has been looked at */
export function planStages(
  request: JobRequest,
  known: CheckedResources,
  { appraised }: { appraised: boolean },
): JobPlan {
  const { dataset, manifest, candidates = [] } = known;
  if (dataset.digest === null)
    throw new ProblemError(
      'not-ready',
      `Dataset ${dataset.id} is ${dataset.status}; wait until it is ready.`,
    );
  const digest = dataset.digest;
  const common = commonSource(known);
  const sources = sourcesOf(request.runs, known, request.targets !== undefined);
  const widestOf = ({ digest: source }: Pick<TargetSource, 'digest'>) => {
    const own = request.runs.filter((run) => sourceOfRun(run, known)?.digest === source);
    const widths = own.map((run) => featureWidth(run, manifest));
    return widths.length > 0 ? Math.max(...widths) : (request.targets?.k ?? LOOKED_AT);
  };
  const targets = planTargets({
    ...{ dataset: digest, shards: manifest.splits.train.shards, sample: gateSample(manifest) },
    ...{ sources, gates: request.gates, widestOf },
    isAppraised: (source) => appraised && source.digest === common?.digest,
  });
  const { stages } = targets;
  for (const source of request.targets ? (common ? [common] : sources) : [])
    targets.of(source, request.targets?.k ?? widestTarget(source, manifest.splits.train.count));
  const targetsOf = request.runs.map((run) => {
    const source = sourceOfRun(run, known);
    return source && targets.of(source, targetWidth(run, manifest, source));
  });
  // Also a control trains after the embedding that it does not need: beside it, on a machine that has only these processors,
  // it would be charged for a part of what the accelerated run costs.
  const reduces = stages.filter(({ kind }) => kind === 'reduce').map(({ ref }) => ref);
  for (const [runRef, run] of request.runs.entries()) {
    const { name: _name, prior, init: _init, continueFrom: _continueFrom, ...training } = run;
    const start = known.starts?.get(runRef);
    const targets = targetsOf[runRef] ?? null;
    refuseOtherTargets(start, targets?.resultKey ?? null, { prior, index: runRef });
    const trainKey = resultKey('train', {
      dataset: digest,
      targets: targets?.resultKey ?? null,
      training: decidesTraining(training),
      continueFrom: start?.continueFrom?.resultKey,
      init: start?.init?.weights,
    });
    stages.push({
      ref: `train-${runRef}`,
      kind: 'train',
      runRef,
      resultKey: trainKey,
      input: {
        kind: 'train',
        dataset: digest,
        training,
        reduceKey: targets?.resultKey ?? null,
        ...(start?.continueFrom?.result?.checkpoint
          ? { continueFrom: start.continueFrom.result.checkpoint.digest }
          : {}),
        ...(start?.init ? { init: start.init.weights } : {}),
      },
      dependsOn: targets ? [targets.ref] : [],
      after: reduces.filter((ref) => ref !== targets?.ref),
    });
    const evaluate = (ref: string, decides: Parameters<typeof resultKey>[1], task?: EvaluateTask) =>
      stages.push({
        ref,
        kind: 'evaluate',
        runRef,
        resultKey: resultKey('evaluate', { train: trainKey, ...decides }),
        input: { kind: 'evaluate', dataset: digest, training, trainKey, ...(task ? { task } : {}) },
        dependsOn: [`train-${runRef}`],
        after: [],
      });
    const { probe, knn, features } = training.evaluation;
    evaluate(`evaluate-${runRef}`, { evaluation: { probe, knn }, features });
    for (const [index, { task, decides }] of furtherTasks(training, known.transfers).entries())
      evaluate(`evaluate-${runRef}-${index + 1}`, decides, task);
  }
  const plan: JobPlan = {
    name: request.name ?? null,
    datasetId: dataset.id,
    priorId: priorIdOf(request.runs, known),
    reuse: request.reuse,
    labels: request.labels,
    limits: request.limits,
    priority: request.priority,
    runs: request.runs.map((run) => {
      const own = run.prior === undefined ? undefined : known.priors?.get(run.prior);
      return own ? { ...run, prior: own.id } : run;
    }),
    stages,
  };
  const { awaited, after = [] } = known;
  const usesCommon =
    request.targets !== undefined || request.runs.some((run) => run.rela !== null && run.prior === undefined);
  const jobs = after.map((jobId) => ({ jobId, runId: null }));
  if (awaited && usesCommon)
    return {
      ...awaitAdoption(plan, awaited, { request, known }),
      waitsFor: [{ jobId: awaited.run.jobId, runId: awaited.run.id }, ...jobs],
    };
  plan.waitsFor = jobs;
  if (candidates.length === 0 || !usesCommon || typeof request.prior !== 'object') return plan;
  if (!('auto' in request.prior)) return plan;
  const { sample, seed } = request.prior;
  const first = request.runs.find(({ rela }) => rela !== null);
  return awaitChoice(plan, {
    ...{ request, known, dataset: digest, candidates, widest: widestOf(common!), seed },
    sample: drawSample(manifest.splits.train.shards, sample, seed),
    student: {
      backbone: first?.backbone ?? { name: 'resnet18-narrow', stem: 'auto' },
      size: (first && viewSize(first, manifest)) ?? SOME_SIZE,
    },
  });
}
