/** A job as it is written down when it is accepted: its runs and stages, before any of them has an id. */

import type { JobLimits, Labels } from './job.js';
import type { StageInput, StageKind } from './stage.js';
import type { RunSpec } from './training.js';

export interface PlannedStage {
  /** Name of the stage inside the plan. */
  ref: string;
  kind: StageKind;
  /** Index of the run it belongs to; null where every run uses it. */
  runRef: number | null;
  /** Equal keys mean equal results: kind and a digest of everything that decides the result. */
  resultKey: string;
  input: StageInput;
  /** `ref`s of the stages that have to succeed before. */
  dependsOn: string[];
  /** `ref`s of other stages that have to have ended before, however they ended. */
  after: string[];
}

export interface JobPlan {
  name: string | null;
  datasetId: string;
  priorId: string | null;
  /** Take results that exist already. */
  reuse: boolean;
  labels: Labels;
  limits: JobLimits;
  /** Against other jobs of the tenant. */
  priority: number;
  runs: RunSpec[];
  /** What of other jobs has to succeed before anything of this one starts. */
  waitsFor?: { jobId: string; runId: string | null }[];
  stages: PlannedStage[];
}
