/** The part of a plan that makes targets: the embedding once a source, the reduction once a source and width, whatever the number of runs. */
import type { PlannedStage } from '@rela/contracts';
import { type EmbeddingOptions, planEmbedding } from './plan-embedding.js';
import { resultKey } from './result-key.js';
import type { TargetSource } from './target-source.js';

export interface TargetPlan {
  stages: PlannedStage[];
  /** The stage that makes the targets of that width. */
  of(source: TargetSource, k: number): PlannedStage;
}

interface TargetOptions extends Omit<EmbeddingOptions, 'parts' | 'k' | 'appraised' | 'suffix'> {
  sources: readonly TargetSource[];
  /** Widest target that is taken of the source. */
  widestOf(source: TargetSource): number;
  /** Whether the priors of the source have been looked at. */
  isAppraised(source: TargetSource): boolean;
}

export function planTargets({ sources, widestOf, isAppraised, ...options }: TargetOptions): TargetPlan {
  const stages: PlannedStage[] = [];
  const byKey = new Map<string, PlannedStage>();
  /** Equal keys mean equal results: one stage makes it for all sources, and waits for what any of them wants to wait for. */
  const add = (stage: PlannedStage): string => {
    const there = byKey.get(stage.resultKey);
    if (there) {
      there.dependsOn = [...new Set([...there.dependsOn, ...stage.dependsOn])];
      return there.ref;
    }
    byKey.set(stage.resultKey, stage);
    stages.push(stage);
    return stage.ref;
  };
  const rows = new Map(
    sources.map((source, index) => {
      const planned = planEmbedding({
        ...{ ...options, parts: source.parts, k: widestOf(source), appraised: isAppraised(source) },
        suffix: index === 0 ? '' : `-by-${index}`,
      });
      const refs = new Map<string, string>();
      const known = (list: string[]) => list.map((ref) => refs.get(ref) ?? ref);
      for (const stage of planned.stages)
        refs.set(stage.ref, add({ ...stage, dependsOn: known(stage.dependsOn) }));
      const embedKeys = planned.sources.map((stage) => stage.resultKey);
      return [source.digest, { index, embedKeys, dependsOn: known(planned.sources.map(({ ref }) => ref)) }];
    }),
  );
  return {
    stages,
    of({ digest: prior, blend }, k) {
      const { index, embedKeys, dependsOn } = rows.get(prior)!;
      const { dataset } = options;
      const key = resultKey('reduce', { dataset, prior, k });
      add({
        ref: `reduce-${k}${index === 0 ? '' : `-by-${index}`}`,
        ...{ kind: 'reduce', runRef: null, resultKey: key, dependsOn, after: [] },
        input: {
          ...{ kind: 'reduce', dataset, prior, k },
          ...(blend.length > 0
            ? { blend: blend.map((part) => ({ ...part, prior: part.prior.digest, width: part.prior.width })) }
            : {}),
          embedKeys,
        },
      });
      return byKey.get(key)!;
    },
  };
}
