/** What the targets of a run are made of: a prior, or a blend of several. A job may have several sources, each for some of its runs. */
import type { Prior, RunSpec } from '@rela/contracts';
import { createBackbone } from '@rela/learning';
import type { AwaitedRun, CheckedResources } from './plan.js';
import { blendDigest } from './plan-embedding.js';

export interface TargetSource {
  /** Of the prior, or of the blend. */
  digest: string;
  width: number;
  /** One prior, or those of the blend. */
  parts: Prior[];
  /** Empty of one prior. */
  blend: { prior: Prior; weight: number }[];
}

export const sourceOfPrior = (prior: Prior): TargetSource => ({
  ...{ digest: prior.digest, width: prior.width, parts: [prior], blend: [] },
});

/** The width of a backbone depends neither on the size of the images nor on their channels. */
const SOME_IMAGE = { size: 32, channels: 3 };

/** What is known of a prior before its run has trained it: how wide it is. Nothing is kept that is made with it. */
function priorToBe({ run, name }: AwaitedRun): Prior {
  const { width } = createBackbone(run.spec.backbone, SOME_IMAGE);
  const digest = `sha256:${'0'.repeat(64)}`;
  return {
    ...{
      id: run.id,
      name,
      digest,
      model: digest,
      source: { kind: 'model', digest },
      createdAt: new Date(0).toISOString(),
    },
    ...{ input: '', output: '', pool: false, batch: null, width },
    preprocessing: {
      ...{
        height: 1,
        width: 1,
        channels: 3,
        layout: 'nchw',
        dtype: 'float32',
        scale: 'unit',
        mean: [0],
        std: [1],
      },
    },
  };
}

function sourceOfBlend(blend: TargetSource['blend']): TargetSource {
  const parts = blend.map(({ prior }) => prior);
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  return { digest: blendDigest(blend), width, parts, blend };
}

type Known = Pick<CheckedResources, 'prior' | 'candidates' | 'blend' | 'priors' | 'awaited'>;

/** The source of the runs that have no prior of their own; of candidates the first one's, until one is chosen; what a run is to train. */
export function commonSource({ prior, candidates = [], blend = [], awaited }: Known): TargetSource | null {
  if (blend.length > 0) return sourceOfBlend(blend);
  const taken = prior ?? candidates[0] ?? (awaited ? priorToBe(awaited) : null);
  return taken && sourceOfPrior(taken);
}

/** Null of a run without ReLA, or without a prior. */
export function sourceOfRun(run: Pick<RunSpec, 'rela' | 'prior'>, known: Known): TargetSource | null {
  if (!run.rela) return null;
  const own = run.prior === undefined ? undefined : known.priors?.get(run.prior);
  return own ? sourceOfPrior(own) : commonSource(known);
}

/**
 * Each source once, in the order in which the job uses them.
 * @param targets whether targets are made beside those of the runs: of the common source, or else of all
 */
export function sourcesOf(runs: readonly RunSpec[], known: Known, targets: boolean): TargetSource[] {
  const common = commonSource(known);
  const all = [...(targets && common ? [common] : []), ...runs.map((run) => sourceOfRun(run, known))];
  const found = new Map<string, TargetSource>();
  for (const source of all) if (source && !found.has(source.digest)) found.set(source.digest, source);
  return [...found.values()];
}
