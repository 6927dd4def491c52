/** Turns an accepted request into runs and stages; says what is wrong with it before any worker spends a minute. */
import {
  type Dataset,
  type DatasetManifest,
  fieldName,
  type JobCreate,
  type JobPlan,
  type PlannedStage,
  type Prior,
  ProblemError,
  type RunSpec,
  type Training,
} from '@rela/contracts';
import { createBackbone } from '@rela/learning';
import { subsetSize } from '@rela/random';
import { appraiseStage, awaitChoice, GATE_SEED, gateSample } from './plan-choice.js';
import { priorModel } from './prior-model.js';
import { resultKey } from './result-key.js';
import { drawSample } from './sample.js';

/** What the request refers to, looked up. `dataset` is ready. */
export interface KnownResources {
  dataset: Pick<Dataset, 'id' | 'status' | 'digest'>;
  manifest: DatasetManifest;
  prior: Prior | null;
  /** What `prior: { auto }` names, in its order. */
  candidates?: Prior[];
}

/** The width of a backbone does not depend on the size of the images. */
const SOME_SIZE = 32;

interface Fault {
  field: string;
  message: string;
}

/** Side of the square views of a run, in pixels; null where neither the run nor the data says it. */
export function viewSize(training: Training, manifest: DatasetManifest): number | null {
  if (training.imageSize !== undefined) return training.imageSize;
  return manifest.imageSize ? Math.min(manifest.imageSize.height, manifest.imageSize.width) : null;
}

function findFaults(request: JobCreate, { manifest, prior, candidates = [] }: KnownResources): Fault[] {
  const images = manifest.splits.train.count;
  const names = new Set<string>();
  const faults: Fault[] = [];
  if (manifest.identical)
    faults.push({
      field: 'dataset',
      message: 'has nothing to learn from: all of its training images are the same; create it from others',
    });
  for (const [index, { digest, name }] of candidates.entries()) {
    const first = candidates.findIndex((other) => other.digest === digest);
    if (first < index)
      faults.push({
        field: fieldName(['prior', 'auto', index]),
        message: `"${name}" is the same prior as prior.auto[${first}]; name each candidate once`,
      });
  }
  for (const [index, run] of request.runs.entries()) {
    const fault = (path: string[], message: string) =>
      faults.push({ field: fieldName(['runs', index, ...path]), message });
    if (names.has(run.name))
      fault(['name'], `"${run.name}" is used twice; every run of a job needs a name of its own`);
    names.add(run.name);
    if (run.rela && !prior && candidates.length === 0)
      faults.push({
        field: 'prior',
        message: `is missing: run "${run.name}" uses ReLA; name a prior (GET /v1/priors lists them), or set "rela" to null`,
      });
    if (run.method.name === 'supervised') {
      const classes = manifest.classes?.length ?? 0;
      if (classes === 0)
        fault(
          ['method'],
          'supervised training needs labels and this dataset has none; take a method such as byol',
        );
      else if (classes === 1)
        fault(
          ['method'],
          'supervised training needs two classes or more and this dataset has one; take a method such as byol',
        );
    }
    if (viewSize(run, manifest) === null)
      fault(
        ['imageSize'],
        'is missing: the images of this dataset differ in size; give the side of the views in pixels',
      );
    const subset = subsetSize({ count: images, ratio: run.dataRatio });
    if (subset < run.batchSize) {
      const ways = [
        ...(subset < 2 ? [] : [`a batchSize of at most ${subset}`]),
        ...(run.dataRatio < 1 ? ['a larger dataRatio'] : []),
        'more images',
      ];
      fault(
        ['batchSize'],
        `is ${run.batchSize}, and an epoch has ⌊${run.dataRatio} · ${images}⌋ = ${subset} images; take ${ways.join(', or ')}`,
      );
    }
  }
  return faults;
}

/** The training without what does not change it: its name, and how its result is judged. */
function decidesTraining(run: Training): Omit<Training, 'evaluation'> {
  const { evaluation: _evaluation, ...training } = run;
  return training;
}

/**
 * The stages of a job: embed once a shard, reduce once a target width, train and evaluate once a run.
 * Before it is used a prior is appraised; of several candidates one is chosen, and the stages that embed with it come with that choice.
 * @throws ProblemError `invalid-request` naming every field that does not fit the data.
 */
export function planJob(
  request: JobCreate,
  known: KnownResources,
  /** Whether the prior has been appraised. */
  { appraised = false } = {},
): JobPlan {
  const faults = findFaults(request, known);
  if (faults.length > 0)
    throw new ProblemError(
      'invalid-request',
      `The job cannot run. ${faults.map((fault) => `${fault.field}: ${fault.message}`).join('. ')}.`,
      faults,
    );
  const { dataset, manifest, candidates = [] } = known;
  const prior = known.prior ?? candidates[0] ?? null;
  if (dataset.digest === null)
    throw new ProblemError(
      'not-ready',
      `Dataset ${dataset.id} is ${dataset.status}; wait until it is ready.`,
    );
  const digest = dataset.digest;

  const stages: PlannedStage[] = [];
  const usesRela = request.runs.some((run) => run.rela !== null);
  const widths = request.runs
    .filter(({ rela }) => rela !== null)
    .map(({ backbone }) => createBackbone(backbone, { size: SOME_SIZE, channels: manifest.channels }).width);
  const widest = Math.max(1, ...widths);
  const appraisals: PlannedStage[] =
    usesRela && prior && !appraised
      ? [
          appraiseStage({
            ref: 'appraise',
            dataset: digest,
            prior,
            sample: gateSample(manifest),
            ...{ seed: GATE_SEED, k: widest, gates: request.gates, refuse: true },
          }),
        ]
      : [];
  stages.push(...appraisals);
  const embeds: PlannedStage[] =
    usesRela && prior
      ? manifest.splits.train.shards.map((shard, index) => ({
          ref: `embed-${index}`,
          kind: 'embed',
          runRef: null,
          resultKey: resultKey('embed', { shard: shard.digest, prior: prior.digest }),
          input: { kind: 'embed', shard, prior: priorModel(prior) },
          dependsOn: appraisals.map(({ ref }) => ref),
          after: [],
        }))
      : [];
  stages.push(...embeds);

  const reduceOf = new Map<number, PlannedStage>();
  const targetsFor = (run: RunSpec, size: number, channels: number): PlannedStage | null => {
    if (!run.rela || !prior) return null;
    const k = Math.min(createBackbone(run.backbone, { size, channels }).width, prior.width);
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

  const targetsOf = request.runs.map((run) =>
    targetsFor(run, viewSize(run, manifest) ?? 0, manifest.channels),
  );
  // Also a control trains after the embedding that it does not need: beside it, on a machine that has only these processors,
  // it would be charged for a part of what the accelerated run costs.
  const reduces = [...reduceOf.values()].map(({ ref }) => ref);
  for (const [runRef, run] of request.runs.entries()) {
    const { name: _name, ...training } = run;
    const targets = targetsOf[runRef] ?? null;
    const trainKey = resultKey('train', {
      dataset: digest,
      targets: targets?.resultKey ?? null,
      training: decidesTraining(training),
    });
    stages.push({
      ref: `train-${runRef}`,
      kind: 'train',
      runRef,
      resultKey: trainKey,
      input: { kind: 'train', dataset: digest, training, reduceKey: targets?.resultKey ?? null },
      dependsOn: targets ? [targets.ref] : [],
      after: reduces.filter((ref) => ref !== targets?.ref),
    });
    stages.push({
      ref: `evaluate-${runRef}`,
      kind: 'evaluate',
      runRef,
      resultKey: resultKey('evaluate', { train: trainKey, evaluation: training.evaluation }),
      input: { kind: 'evaluate', dataset: digest, training, trainKey },
      dependsOn: [`train-${runRef}`],
      after: [],
    });
  }
  const plan: JobPlan = {
    name: request.name ?? null,
    datasetId: dataset.id,
    priorId: prior?.id ?? null,
    reuse: request.reuse,
    runs: request.runs,
    stages,
  };
  if (candidates.length === 0 || !usesRela || typeof request.prior !== 'object') return plan;
  const { sample, seed } = request.prior;
  const first = request.runs.find(({ rela }) => rela !== null)!;
  return awaitChoice(plan, {
    ...{ request, dataset: digest, candidates, widest, seed },
    sample: drawSample(manifest.splits.train.shards, sample, seed),
    student: { backbone: first.backbone, size: viewSize(first, manifest) ?? SOME_SIZE },
  });
}
