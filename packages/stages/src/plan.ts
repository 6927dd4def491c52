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
import { createBackbone, type MethodFault, methodFaults, patchBackbones } from '@rela/learning';
import { evaluationFaults, type TransferDataset } from './evaluation-faults.js';
import { awaitChoice, gateSample } from './plan-choice.js';
import { awaitStages, restOfPlan } from './plan-later.js';
import { planTargets } from './plan-targets.js';
import { canonicalJson, resultKey } from './result-key.js';
import { type RunStart, startFaults } from './run-start.js';
import { drawSample } from './sample.js';
import { commonSource, sourceOfPrior, sourceOfRun, sourcesOf, type TargetSource } from './target-source.js';
import { type Fault, trainingFaults } from './training-faults.js';

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

/** The width of a backbone does not depend on the size of the images. */
const SOME_SIZE = 32;

interface FieldFault {
  field: string;
  message: string;
}

/** Side of the square views of a run, in pixels; null where neither the run nor the data says it. */
export function viewSize(training: Training, manifest: DatasetManifest): number | null {
  if (training.imageSize !== undefined) return training.imageSize;
  return manifest.imageSize ? Math.min(manifest.imageSize.height, manifest.imageSize.width) : null;
}

/** Centred rows span one dimension less than there are rows: a wider target would hold zeros. */
function widestTarget(prior: { width: number }, images: number): number {
  return Math.max(Math.min(prior.width, images - 1), 1);
}

function targetFaults(
  { k }: NonNullable<JobRequest['targets']>,
  { images, prior }: { images: number; prior: { width: number } | null },
): FieldFault[] {
  if (!prior)
    return [
      {
        field: 'prior',
        message: 'is missing: targets come from a prior; name one (GET /v1/priors lists them)',
      },
    ];
  const most = widestTarget(prior, images);
  if (k === undefined || k <= most) return [];
  return [
    {
      field: 'targets.k',
      message: `is ${k}, and ${images} images through a prior that gives ${prior.width} floats carry ${most} at most; take ${most} or fewer, or leave it out`,
    },
  ];
}

function findFaults(request: JobRequest, known: KnownResources): FieldFault[] {
  const { dataset, manifest, candidates = [], blend = [], priors, starts, transfers } = known;
  const images = manifest.splits.train.count;
  const names = new Set<string>();
  const faults: FieldFault[] = [];
  if (manifest.identical)
    faults.push({
      field: 'dataset',
      message: 'has nothing to learn from: all of its training images are the same; create it from others',
    });
  if (asksForLabels(request) && (manifest.classes?.length ?? 0) < 2)
    faults.push({
      field: 'prior.by',
      message:
        'is "knn", which needs labels of two classes or more, and this dataset has none such; leave it out',
    });
  const common = commonSource(known);
  const offered = candidates.length > 0 ? candidates.map(sourceOfPrior) : common ? [common] : [];
  const byWidth = (sources: TargetSource[]) => sources.toSorted((a, b) => a.width - b.width);
  faults.push(...namedTwice(candidates, (index) => ['prior', 'auto', index]));
  faults.push(
    ...namedTwice(
      blend.map((part) => part.prior),
      (index) => ['prior', 'blend', index, 'prior'],
    ),
  );
  if (request.runs.length === 0 && !request.targets)
    faults.push({
      field: 'runs',
      message: 'is empty: give a run or more, or "targets" where targets are all that is wanted',
    });
  const makers = offered.length > 0 ? offered : sourcesOf(request.runs, known, true);
  if (request.targets)
    faults.push(...targetFaults(request.targets, { images, prior: byWidth(makers)[0] ?? null }));
  faults.push(...alikeByPrior(request.runs, priors));
  for (const [index, run] of request.runs.entries()) {
    const fault = (path: (string | number)[], message: string) =>
      faults.push({ field: fieldName(['runs', index, ...path]), message });
    if (names.has(run.name))
      fault(['name'], `"${run.name}" is used twice; every run of a job needs a name of its own`);
    names.add(run.name);
    if (run.rela && !sourceOfRun(run, known))
      faults.push({
        field: 'prior',
        message: `is missing: run "${run.name}" uses ReLA; name a prior (GET /v1/priors lists them), or set "rela" to null`,
      });
    const size = viewSize(run, manifest);
    if (size === null)
      fault(
        ['imageSize'],
        'is missing: the images of this dataset differ in size; give the side of the views in pixels',
      );
    else for (const { path, message } of learningFaults(run, size, manifest)) fault(path, message);
    const source = run.prior === undefined ? byWidth(offered).at(-1) : sourceOfRun(run, known);
    const k = run.rela && source ? targetWidth(run, manifest, source) : 0;
    if (k >= images)
      fault(
        ['rela'],
        `asks for targets of k = min(d, m) = ${k} dimensions, and ${images} images span ${images - 1} at most; take ${k + 1} images or more, or a backbone or prior of narrower features`,
      );
    const own: Fault[] = trainingFaults(run, { images, classes: manifest.classes?.length ?? 0 });
    own.push(...evaluationFaults(run, manifest, transfers ?? new Map()));
    const start = starts?.get(index);
    if (start?.continueFrom && candidates.length + (known.awaited ? 1 : 0) > 0)
      faults.push({
        field: 'prior',
        message: `cannot be ${known.awaited ? 'the model of another run' : 'chosen among several'}: runs[${index}] goes on with run ${start.continueFrom.run.id}, whose prior is settled; name that prior, or submit runs[${index}] in a job of its own`,
      });
    if (start) own.push(...startFaults(run, start, dataset.digest));
    for (const { path, message } of own) fault(path, message);
  }
  return faults;
}

/** Whether candidates are to be ranked by their nearest neighbours' labels. */
const asksForLabels = ({ prior }: JobRequest) =>
  typeof prior === 'object' && prior !== null && 'auto' in prior && prior.by === 'knn';

function namedTwice(priors: Prior[], fieldOf: (index: number) => (string | number)[]): FieldFault[] {
  return priors.flatMap(({ digest, name }, index) => {
    const first = priors.findIndex((other) => other.digest === digest);
    if (first === index) return [];
    const message = `"${name}" is the same prior as ${fieldName(fieldOf(first))}; name each one once`;
    return [{ field: fieldName(fieldOf(index)), message }];
  });
}

/** Runs that differ in nothing but the name of one prior. */
function alikeByPrior(runs: readonly RunSpec[], priors: KnownResources['priors']): FieldFault[] {
  const digestOf = ({ prior }: RunSpec) => prior && priors?.get(prior)?.digest;
  return runs.flatMap((run, index) => {
    const { name: _name, prior, ...rest } = run;
    const first = runs.findIndex((other, at) => {
      if (at >= index || other.prior === prior || digestOf(other) !== digestOf(run)) return false;
      const { name: _other, prior: _prior, ...others } = other;
      return canonicalJson(others as never) === canonicalJson(rest as never);
    });
    if (first < 0 || digestOf(run) === undefined) return [];
    const field = fieldName(['runs', index, 'prior']);
    const message = `"${prior}" is the same prior as "${runs[first]!.prior}" of runs[${first}].prior; name each one once`;
    return [{ field, message }];
  });
}

/** What backbone and method cannot work with. */
function learningFaults(run: RunSpec, size: number, { channels, classes }: DatasetManifest): MethodFault[] {
  const image = { size, channels };
  const backbone = createBackbone(run.backbone, image);
  const { batchSize, seed } = run;
  const context = { backbone, image, batchSize, seed, classes: classes?.length || null };
  const faults = methodFaults(run.method, context);
  if (run.backbone.pool === undefined || backbone.patches) return faults;
  const message = `is for backbones of patches, and ${run.backbone.name} has none; leave it out, or take ${patchBackbones().join(', ')}`;
  return [{ path: ['backbone', 'pool'], message }, ...faults];
}

/** d of a run's backbone. */
const featureWidth = ({ backbone }: Training, { channels }: DatasetManifest): number =>
  createBackbone(backbone, { size: SOME_SIZE, channels }).width;

/** k = min(d, m) (method.md, section 1, step 3). */
const targetWidth = (run: Training, manifest: DatasetManifest, prior: { width: number }): number =>
  Math.min(featureWidth(run, manifest), prior.width);

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
