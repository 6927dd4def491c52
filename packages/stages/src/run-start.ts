/** Runs that begin with what another run has trained: what they start from, and whether they may. */
import {
  type JobStatus,
  type RunSpec,
  type StageInputOf,
  type StageResultOf,
  Training,
} from '@rela/contracts';
import { canonicalJson } from './result-key.js';
import type { Fault } from './training-faults.js';

/** The training of another run, as it was planned and as it ended. */
export interface EarlierRun {
  run: { id: string; name: string; status: JobStatus };
  resultKey: string;
  input: StageInputOf<'train'>;
  result: StageResultOf<'train'> | null;
}

export interface RunStart {
  /** The run that this one goes on with. */
  continueFrom?: EarlierRun;
  /** Digest of the state dict, and the first tensor in which it is not of this run's backbone. */
  init?: { weights: string; difference: string | null };
}

/** Fields that may be others than in the run that is gone on with; they decide how long it goes on and what is kept of it. */
const MAY_DIFFER: (keyof Training)[] = ['epochs', 'budget', 'schedule', 'return', 'evaluation'];

/** @param dataset digest of the job's data set */
export function startFaults(run: RunSpec, { continueFrom, init }: RunStart, dataset: string | null): Fault[] {
  if (run.init && run.continueFrom !== undefined)
    return [
      { path: ['init'], message: 'and continueFrom say two beginnings of one run; leave one of them out' },
    ];
  if (init)
    return init.difference === null
      ? []
      : [
          {
            path: ['init'],
            message: `does not fit the backbone: ${init.difference}; take weights of the same backbone, stem and image size for images of as many channels`,
          },
        ];
  return continueFrom ? continuationFaults(run, continueFrom, dataset) : [];
}

function continuationFaults(run: RunSpec, earlier: EarlierRun, dataset: string | null): Fault[] {
  const { id, status } = earlier.run;
  const at = (message: string): Fault => ({ path: ['continueFrom'], message });
  if (!earlier.result)
    return [at(`run ${id} has not finished its training (it is ${status}); wait until it has`)];
  if (!earlier.result.checkpoint)
    return [
      at(`run ${id} was trained when final checkpoints were not kept; train it again with reuse: false`),
    ];
  if (earlier.input.dataset !== dataset)
    return [at(`run ${id} was trained on another dataset; name the same one`)];
  // What an earlier version stored lacks the fields that have come since: they are at their defaults.
  const before = Training.safeParse(earlier.input.training).data ?? earlier.input.training;
  const faults = differingFields(run, before).map(
    ({ field, was }): Fault => ({
      path: [field],
      message: `is another than in run ${id}, which has ${was}; a run that goes on has to be equal in it`,
    }),
  );
  if (faults.length === 0 && run.epochs < before.epochs)
    faults.push({
      path: ['epochs'],
      message: `is ${run.epochs}, and run ${id} was for ${before.epochs}; epochs count from its beginning, give more`,
    });
  if (faults.length === 0 && sameLength(run, before) && earlier.result.endedBy !== 'patience')
    faults.push({
      path: ['epochs'],
      message: `and budget are those of run ${id}, which has come to its end; epochs count from its beginning, give more`,
    });
  return faults;
}

const textOf = (value: unknown): string => (value === undefined ? 'none' : canonicalJson(value as never));

function differingFields(run: RunSpec, before: Training): { field: string; was: string }[] {
  const { name: _name, prior: _prior, init: _init, continueFrom: _continueFrom, ...training } = run;
  const fields = [...new Set([...Object.keys(training), ...Object.keys(before)])] as (keyof Training)[];
  return fields
    .filter((field) => !MAY_DIFFER.includes(field))
    .filter((field) => textOf(withoutPatience(training[field])) !== textOf(withoutPatience(before[field])))
    .map((field) => ({ field, was: textOf(before[field]) }));
}

/** How long a run waits for better weights may change, what it looks at may not. */
function withoutPatience(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('patience' in value)) return value;
  const { patience: _patience, ...rest } = value;
  return rest;
}

const sameLength = (a: Training, b: Training): boolean =>
  a.epochs === b.epochs && textOf(a.budget) === textOf(b.budget);
