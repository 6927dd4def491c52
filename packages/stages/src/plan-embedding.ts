/** The part of a plan that puts a data set through its priors: each looked at first, then every shard, and of a blend the shard's parts joined. */
import { createHash } from 'node:crypto';
import type { Gates, PlannedStage, Prior, SampledShard, ShardReference } from '@rela/contracts';
import { appraiseStage, GATE_SEED } from './plan-choice.js';
import { priorModel } from './prior-model.js';
import { canonicalJson, resultKey } from './result-key.js';

export interface EmbeddingOptions {
  dataset: string;
  /** One prior, or those of a blend. */
  parts: Prior[];
  shards: ShardReference[];
  sample: SampledShard[];
  /** Widest target that the runs take. */
  k: number;
  gates: Gates;
  /** Whether the priors have been looked at. */
  appraised: boolean;
  /** Of the names of its stages, which are those of one source among several. */
  suffix: string;
}

/** @returns all of its stages, and those that the reduce is made of: one a shard */
export function planEmbedding(options: EmbeddingOptions): {
  stages: PlannedStage[];
  sources: PlannedStage[];
} {
  const { dataset, parts, shards, sample, k, gates, appraised, suffix } = options;
  const isBlend = parts.length > 1;
  const name = (stage: string, part: number) => `${stage}${isBlend ? `-of-${part}` : ''}${suffix}`;
  const appraisals = appraised
    ? []
    : parts.map((prior, part) =>
        appraiseStage({
          ...{ ref: name('appraise', part), dataset, prior, sample },
          ...{ seed: GATE_SEED, k, gates, refuse: true },
        }),
      );
  const dependsOn = appraisals.map(({ ref }) => ref);
  const embeds = parts.map((prior, part) =>
    shards.map(
      (shard, index): PlannedStage => ({
        ref: name(`embed-${index}`, part),
        ...{ kind: 'embed', runRef: null },
        resultKey: resultKey('embed', { shard: shard.digest, prior: prior.digest }),
        input: { kind: 'embed', shard, prior: priorModel(prior) },
        ...{ dependsOn, after: [] },
      }),
    ),
  );
  const joins = isBlend
    ? shards.map((_, index): PlannedStage => {
        const own = embeds.map((part) => part[index]!);
        const embedKeys = own.map((embed) => embed.resultKey);
        return {
          ...{ ref: `join-${index}${suffix}`, kind: 'join', runRef: null },
          resultKey: resultKey('join', { embedKeys }),
          input: { kind: 'join', embedKeys },
          ...{ dependsOn: own.map(({ ref }) => ref), after: [] },
        };
      })
    : [];
  return {
    stages: [...appraisals, ...embeds.flat(), ...joins],
    sources: isBlend ? joins : (embeds[0] ?? []),
  };
}

/** Names the priors, their weights and their order, as one prior's digest names it. */
export function blendDigest(blend: { prior: Prior; weight: number }[]): string {
  const parts = blend.map(({ prior, weight }) => ({ prior: prior.digest, weight }));
  return `sha256:${createHash('sha256')
    .update(canonicalJson({ blend: parts }))
    .digest('hex')}`;
}
