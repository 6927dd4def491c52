/** Turns an accepted request into runs and stages; says what is wrong with it before any worker spends a minute. */
import {
  type Dataset,
  type DatasetManifest,
  type EvaluateTask,
  fieldName,
  type JobCreate,
  type JobPlan,
  type PlannedStage,
  type Prior,
  type PriorModel,
  ProblemError,
  type RunSpec,
  type Training,
} from '@rela/contracts';
import { createBackbone, type MethodFault, methodFaults, patchBackbones } from '@rela/learning';
import { evaluationFaults, type TransferDataset } from './evaluation-faults.js';
import { resultKey } from './result-key.js';
import { type RunStart, startFaults } from './run-start.js';
import { type Fault, trainingFaults } from './training-faults.js';

/** What the request refers to, looked up. `dataset` is ready. */
export interface KnownResources {
  dataset: Dataset;
  manifest: DatasetManifest;
  prior: Prior | null;
  /** What the run of that index starts from; none: the beginning. */
  starts?: ReadonlyMap<number, RunStart>;
  /** Data sets that `evaluation.transfer` names, by the name that was given. */
  transfers?: ReadonlyMap<string, TransferDataset>;
}

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
function widestTarget(prior: Prior, images: number): number {
  return Math.max(Math.min(prior.width, images - 1), 1);
}

function targetFaults(
  { k }: NonNullable<JobCreate['targets']>,
  { images, prior }: { images: number; prior: Prior | null },
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

function findFaults(
  request: JobCreate,
  { dataset, manifest, prior, starts, transfers }: KnownResources,
): FieldFault[] {
  const images = manifest.splits.train.count;
  const names = new Set<string>();
  const faults: FieldFault[] = [];
  if (manifest.identical)
    faults.push({
      field: 'dataset',
      message: 'has nothing to learn from: all of its training images are the same; create it from others',
    });
  if (request.runs.length === 0 && !request.targets)
    faults.push({
      field: 'runs',
      message: 'is empty: give a run or more, or "targets" where targets are all that is wanted',
    });
  if (request.targets) faults.push(...targetFaults(request.targets, { images, prior }));
  for (const [index, run] of request.runs.entries()) {
    const fault = (path: (string | number)[], message: string) =>
      faults.push({ field: fieldName(['runs', index, ...path]), message });
    if (names.has(run.name))
      fault(['name'], `"${run.name}" is used twice; every run of a job needs a name of its own`);
    names.add(run.name);
    if (run.rela && !prior)
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
    const k = run.rela && prior && size !== null ? targetWidth(run, size, manifest, prior) : 0;
    if (k >= images)
      fault(
        ['rela'],
        `asks for targets of k = min(d, m) = ${k} dimensions, and ${images} images span ${images - 1} at most; take ${k + 1} images or more, or a backbone or prior of narrower features`,
      );
    const own: Fault[] = trainingFaults(run, { images, classes: manifest.classes?.length ?? 0 });
    own.push(...evaluationFaults(run, manifest, transfers ?? new Map()));
    const start = starts?.get(index);
    if (start) own.push(...startFaults(run, start, dataset.digest));
    for (const { path, message } of own) fault(path, message);
  }
  return faults;
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

/** k = min(d, m) (method.md, section 1, step 3). */
function targetWidth(run: Training, size: number, { channels }: DatasetManifest, prior: Prior): number {
  return Math.min(createBackbone(run.backbone, { size, channels }).width, prior.width);
}

/** Each judgement of a run beside the first one: another data set, or a share of the labels. */
function furtherTasks(
  { evaluation }: Training,
  transfers: KnownResources['transfers'],
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

function priorModel(prior: Prior): PriorModel {
  const { digest, model, input, output, pool, batch, width, preprocessing } = prior;
  return { digest, model, input, output, pool, batch, width, preprocessing };
}

/** The training without what does not change it: its name, and how its result is judged. */
function decidesTraining(run: Training): Omit<Training, 'evaluation'> {
  const { evaluation: _evaluation, ...training } = run;
  return training;
}

/** @throws ProblemError `invalid-request` where the run goes on with one that had other targets */
function refuseOtherTargets(start: RunStart | undefined, reduceKey: string | null, index: number): void {
  const earlier = start?.continueFrom;
  if (!earlier || earlier.input.reduceKey === reduceKey) return;
  const message = `is another than that of run ${earlier.run.id}, which runs[${index}] goes on with; name the same prior`;
  throw new ProblemError('invalid-request', `The job cannot run. prior: ${message}.`, [
    { field: 'prior', message },
  ]);
}

/**
 * The stages of a job: embed once a shard, reduce once a target width, also where no run asks for it; once a run train and
 * evaluate, and evaluate again for every other data set and share of the labels that it names.
 * @throws ProblemError `invalid-request` naming every field that does not fit the data.
 */
export function planJob(request: JobCreate, known: KnownResources): JobPlan {
  const faults = findFaults(request, known);
  if (faults.length > 0)
    throw new ProblemError(
      'invalid-request',
      `The job cannot run. ${faults.map((fault) => `${fault.field}: ${fault.message}`).join('. ')}.`,
      faults,
    );
  const { dataset, manifest, prior } = known;
  if (dataset.digest === null)
    throw new ProblemError(
      'not-ready',
      `Dataset ${dataset.id} is ${dataset.status}; wait until it is ready.`,
    );
  const digest = dataset.digest;

  const stages: PlannedStage[] = [];
  const usesRela = request.targets !== undefined || request.runs.some((run) => run.rela !== null);
  const embeds: PlannedStage[] =
    usesRela && prior
      ? manifest.splits.train.shards.map((shard, index) => ({
          ref: `embed-${index}`,
          kind: 'embed',
          runRef: null,
          resultKey: resultKey('embed', { shard: shard.digest, prior: prior.digest }),
          input: { kind: 'embed', shard, prior: priorModel(prior) },
          dependsOn: [],
          after: [],
        }))
      : [];
  stages.push(...embeds);

  const reduceOf = new Map<number, PlannedStage>();
  const targetsFor = (run: RunSpec): PlannedStage | null => {
    if (!run.rela || !prior) return null;
    return targetsOfWidth(prior, targetWidth(run, viewSize(run, manifest) ?? 0, manifest, prior));
  };
  const targetsOfWidth = (prior: Prior, k: number): PlannedStage => {
    const planned = reduceOf.get(k);
    if (planned) return planned;
    const stage: PlannedStage = {
      ref: `reduce-${k}`,
      kind: 'reduce',
      runRef: null,
      resultKey: resultKey('reduce', { dataset: digest, prior: prior.digest, k }),
      input: {
        kind: 'reduce',
        dataset: digest,
        prior: prior.digest,
        k,
        embedKeys: embeds.map((embed) => embed.resultKey),
      },
      dependsOn: embeds.map((embed) => embed.ref),
      after: [],
    };
    reduceOf.set(k, stage);
    stages.push(stage);
    return stage;
  };

  if (request.targets && prior)
    targetsOfWidth(prior, request.targets.k ?? widestTarget(prior, manifest.splits.train.count));
  const targetsOf = request.runs.map(targetsFor);
  // Also a control trains after the embedding that it does not need: beside it, on a machine that has only these processors,
  // it would be charged for a part of what the accelerated run costs.
  const reduces = [...reduceOf.values()].map(({ ref }) => ref);
  for (const [runRef, run] of request.runs.entries()) {
    const { name: _name, init: _init, continueFrom: _continueFrom, ...training } = run;
    const start = known.starts?.get(runRef);
    const targets = targetsOf[runRef] ?? null;
    refuseOtherTargets(start, targets?.resultKey ?? null, runRef);
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
  return {
    name: request.name ?? null,
    datasetId: dataset.id,
    priorId: prior?.id ?? null,
    reuse: request.reuse,
    runs: request.runs,
    stages,
  };
}
