/** Plans whose prior becomes known by one of their own stages: until then they have that stage, and the runs, which wait for it. */
import type { JobPlan, JobRequest, PlannedStage, RestOfPlan } from '@rela/contracts';
import type { CheckedResources } from './plan.js';

export type LaterResources = Pick<CheckedResources, 'priors' | 'starts' | 'transfers'>;

interface LaterPlan {
  request: JobRequest;
  known: LaterResources;
  datasetId: string;
  dataset: string;
}

/** What has been looked up, as the stage keeps it. */
export const restOfPlan = ({ request, known, datasetId, dataset }: LaterPlan): RestOfPlan => ({
  ...{ request, datasetId, dataset },
  priors: [...(known.priors ?? [])].map(([reference, prior]) => ({ reference, prior })),
  inits: [...(known.starts ?? [])].flatMap(([run, { init }]) =>
    init ? [{ run, weights: init.weights }] : [],
  ),
  transfers: [...(known.transfers ?? [])].map(([reference, { name, digest }]) => ({
    reference,
    name,
    digest,
  })),
});

/**
 * @param plan as if the prior were known
 * @param first stages that have to be before it is, the last of which is `ref`
 */
export function awaitStages(plan: JobPlan, first: PlannedStage[], ref: string): JobPlan {
  const waiting = plan.stages.flatMap((stage): PlannedStage[] => {
    if (stage.runRef === null) return [];
    if (stage.kind !== 'train') return [stage];
    const uses = plan.runs[stage.runRef]?.rela !== null;
    return [{ ...stage, dependsOn: uses ? [ref] : [], after: uses ? [] : [ref] }];
  });
  return { ...plan, priorId: null, stages: [...first, ...waiting] };
}
