/** The queues: one a stage kind, so that a worker takes only the kinds it can do. */
import type { StageKind } from '@rela/contracts';

/** BullMQ queue name by stage kind. BullMQ forbids a colon in it. */
export const QUEUES: Record<StageKind, string> = {
  ingest: 'rela-ingest',
  adopt: 'rela-adopt',
  appraise: 'rela-appraise',
  choose: 'rela-choose',
  embed: 'rela-embed',
  join: 'rela-join',
  reduce: 'rela-reduce',
  train: 'rela-train',
  evaluate: 'rela-evaluate',
};

/** The queue of schedules that are due. */
export const SCHEDULES = 'rela-schedules';
