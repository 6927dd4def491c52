/** Where a training begins: at a checkpoint of its own, at the end of the run that it goes on with, or at first weights. */
import { ProblemError } from '@rela/contracts';
import type { HostTensors } from '@rela/engine';
import type { Backbone, TrainingPlan } from '@rela/learning';
import type { StageTools } from '../tools.js';
import { readWeights } from '../weights-file.js';
import { type Checkpoint, type Progression, readCheckpoint } from './checkpoint.js';
import type { TrainObserver, TrainOptions } from './train.js';

const atTheBeginning = (): Progression => ({
  step: 0,
  seconds: 0,
  waitedSeconds: 0,
  flops: 0,
  finalLoss: null,
  part: 0,
  partLoss: 0,
  partCorrect: 0,
  validations: [],
  kernels: {},
  engines: [],
  rule: null,
});

/** @returns the checkpoint, and whether its switch rule is to be restored: a run that begins has none */
export async function findStart(
  { checkpoints, continueFrom, init }: Pick<TrainOptions, 'checkpoints' | 'continueFrom' | 'init'>,
  { plan, backbone }: { plan: TrainingPlan; backbone: Backbone },
  observer: TrainObserver,
  { store }: Pick<StageTools, 'store'>,
): Promise<Checkpoint & { resumed: boolean }> {
  const own = await newestReadable(checkpoints, observer, store);
  if (own) return { ...own, resumed: true };
  if (continueFrom !== undefined) return { ...(await readEnd(continueFrom, plan, store)), resumed: true };
  const weights = init === undefined ? undefined : await readWeights(store, init, backbone);
  return {
    progression: atTheBeginning(),
    state: plan.initialState(weights),
    best: null,
    resumed: false,
  };
}

/** The newest checkpoint that can be read; a damaged one is told and passed over. */
async function newestReadable(
  checkpoints: TrainOptions['checkpoints'],
  observer: TrainObserver,
  store: StageTools['store'],
): Promise<Checkpoint | null> {
  for (const { step, digest } of checkpoints) {
    try {
      return await readCheckpoint(store, digest);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      observer.warn(`The checkpoint of step ${step} cannot be read and is passed over: ${reason}`);
    }
  }
  return null;
}

/** The end of another run. @throws ProblemError `invalid-data` where its tensors are not those of this run */
async function readEnd(digest: string, plan: TrainingPlan, store: StageTools['store']): Promise<Checkpoint> {
  const checkpoint = await readCheckpoint(store, digest);
  const expected: HostTensors = plan.initialState();
  const shape = (tensor: HostTensors[string] | undefined) => tensor && `[${tensor.shape.join(', ')}]`;
  const differing = [...new Set([...Object.keys(expected), ...Object.keys(checkpoint.state)])].find(
    (key) => shape(expected[key]) !== shape(checkpoint.state[key]),
  );
  if (differing !== undefined)
    throw new ProblemError(
      'invalid-data',
      `The run cannot go on from checkpoint ${digest}: tensor "${differing}" is ${shape(checkpoint.state[differing]) ?? 'not in it'} there and ${shape(expected[differing]) ?? 'unknown'} here. Give the same training as the run that it goes on with.`,
    );
  return checkpoint;
}
