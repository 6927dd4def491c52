/** What is wrong with a request for what it names: found before any worker spends a minute. */
import { type DatasetManifest, fieldName, type JobRequest, type Prior, type RunSpec } from '@rela/contracts';
import { createBackbone, type MethodFault, methodFaults, patchBackbones } from '@rela/learning';
import { evaluationFaults } from './evaluation-faults.js';
import type { KnownResources } from './plan.js';
import { targetWidth, viewSize, widestTarget } from './plan-widths.js';
import { canonicalJson } from './result-key.js';
import { startFaults } from './run-start.js';
import { commonSource, sourceOfPrior, sourceOfRun, sourcesOf, type TargetSource } from './target-source.js';
import { meanImageBytes } from './train/schedule.js';
import { type Fault, trainingFaults } from './training-faults.js';

export interface FieldFault {
  field: string;
  message: string;
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

export function findFaults(request: JobRequest, known: KnownResources): FieldFault[] {
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
    const own: Fault[] = trainingFaults(run, {
      ...{ images, imageBytes: meanImageBytes(manifest), classes: manifest.classes?.length ?? 0 },
    });
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
