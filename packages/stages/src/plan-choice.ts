/** The part of a plan that looks at priors before they are used: one appraise stage a prior and, of several, the choice. */
import type {
  BackboneSpec,
  DatasetManifest,
  Gates,
  JobPlan,
  JobRequest,
  PlannedStage,
  Prior,
  SampledShard,
} from '@rela/contracts';
import { awaitStages, type LaterResources, restOfPlan } from './plan-later.js';
import { priorModel } from './prior-model.js';
import { resultKey } from './result-key.js';
import { drawSample } from './sample.js';

/** A prior that was named is looked at by a twentieth of the images, within these bounds. */
const GATE = { share: 0.05, least: 64, most: 256 };
export const GATE_SEED = 0;

export function gateSample({ splits: { train } }: DatasetManifest): SampledShard[] {
  const wanted = Math.ceil(GATE.share * train.count);
  return drawSample(train.shards, Math.min(Math.max(wanted, GATE.least), GATE.most), GATE_SEED);
}

interface AppraiseOptions {
  ref: string;
  dataset: string;
  prior: Prior;
  sample: SampledShard[];
  seed: number;
  /** Widest target that the runs take. */
  k: number;
  gates: Gates;
  /** Whether the stage fails where the prior is refused. */
  refuse: boolean;
}

export function appraiseStage(options: AppraiseOptions): PlannedStage {
  const { ref, dataset, prior, sample, ...rest } = options;
  const images = sample.map(({ shard, indices }) => ({ shard: shard.digest, indices }));
  return {
    ...{ ref, kind: 'appraise', runRef: null, dependsOn: [], after: [] },
    resultKey: resultKey('appraise', {
      ...{ dataset, prior: prior.digest, name: prior.name, sample: images, ...rest },
    }),
    input: { kind: 'appraise', name: prior.name, prior: priorModel(prior), sample, ...rest },
  };
}

interface ChoiceOptions {
  request: JobRequest;
  known: LaterResources;
  dataset: string;
  candidates: Prior[];
  sample: SampledShard[];
  seed: number;
  widest: number;
  student: { backbone: BackboneSpec; size: number };
}

/**
 * The plan until one of the candidates is chosen: their appraisals, the choice, and the runs, which wait for it. The stages that embed
 * with the chosen one, and what the runs take from them, are planned when the choose stage succeeds.
 * @param plan as if the first candidate had been chosen
 */
export function awaitChoice(plan: JobPlan, options: ChoiceOptions): JobPlan {
  const { request, known, dataset, candidates, sample, seed, widest, student } = options;
  const appraisals = candidates.map((prior, index) =>
    appraiseStage({
      ...{ ref: `appraise-${index}`, dataset, prior, sample, seed },
      ...{ k: widest, gates: request.gates, refuse: false },
    }),
  );
  const keys = appraisals.map((stage) => stage.resultKey);
  const key = resultKey('choose', { appraisals: keys, by: byOf(request), student });
  const choose: PlannedStage = {
    ...{ ref: 'choose', kind: 'choose', runRef: null, resultKey: key, after: [] },
    input: {
      ...{ kind: 'choose', candidates, sample, most: widest, student },
      ...restOfPlan({ request, known, datasetId: plan.datasetId, dataset }),
    },
    dependsOn: appraisals.map(({ ref }) => ref),
  };
  return awaitStages(plan, [...appraisals, choose], choose.ref);
}

const byOf = ({ prior }: JobRequest) => (typeof prior === 'object' && 'auto' in prior ? prior.by : 'score');
