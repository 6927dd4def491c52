/** Checkpoints: everything that a run needs to go on as if it had never stopped. */
import { Kernels, ProblemError, ValidationPoint } from '@rela/contracts';
import type { HostTensors } from '@rela/engine';
import type { ArtifactStore } from '@rela/storage';
import { z } from 'zod';
import { decodeTensors, encodeTensors } from '../tensor-file.js';

/** The part of a run's state that is not a tensor. */
export const Progression = z.object({
  /** Steps that are done. */
  step: z.int().nonnegative(),
  /** Training seconds spent on them. */
  seconds: z.number().nonnegative(),
  /** Of those, seconds in which the step waited for data. */
  waitedSeconds: z.number().nonnegative(),
  flops: z.number().nonnegative(),
  finalLoss: z.number().nullable(),
  /** Parts of the next step's batch that are done, and what they summed up to. */
  part: z.int().nonnegative().default(0),
  partLoss: z.number().default(0),
  partCorrect: z.number().default(0),
  /** Looks at the held-out images so far. */
  validations: z.array(ValidationPoint).default([]),
  /** Kernels that the run's convolutions got; who goes on takes the same. */
  kernels: Kernels,
  /** Engines that made the steps, in order; who goes on with another is the last. None in checkpoints of earlier versions. */
  engines: z.array(z.string()).default([]),
  /** State of the rule that leaves the ReLA loss. */
  rule: z.unknown(),
});
export type Progression = z.infer<typeof Progression>;

export interface Checkpoint {
  progression: Progression;
  state: HostTensors;
  /** The backbone that was best on the held-out images; null without. */
  best: HostTensors | null;
}

const BEST = 'best.';

/** The first tensor with a value that is no finite number, if there is one. */
export function firstNonFinite(state: HostTensors): string | undefined {
  return Object.keys(state).find((name) => {
    const { data, dtype } = state[name]!;
    return dtype === 'float32' && !(data as Float32Array).every(Number.isFinite);
  });
}

export async function writeCheckpoint(
  store: ArtifactStore,
  { progression, state, best }: Checkpoint,
): Promise<{ digest: string; bytes: number }> {
  async function* pieces() {
    const kept = Object.entries(best ?? {}).map(([key, tensor]) => [BEST + key, tensor]);
    yield* encodeTensors(
      { ...state, ...Object.fromEntries(kept) },
      { progression: JSON.stringify(progression) },
    );
  }
  return store.write(pieces());
}

/** @throws ProblemError `invalid-data` where the artifact is no checkpoint. */
export async function readCheckpoint(store: ArtifactStore, digest: string): Promise<Checkpoint> {
  const { tensors, metadata } = decodeTensors(await store.read(digest));
  const parsed = Progression.safeParse(JSON.parse(metadata.progression ?? 'null'));
  if (!parsed.success)
    throw new ProblemError('invalid-data', `Artifact ${digest} is not a checkpoint of a run.`);
  const [state, best]: [HostTensors, HostTensors] = [{}, {}];
  for (const [key, tensor] of Object.entries(tensors))
    if (key.startsWith(BEST)) best[key.slice(BEST.length)] = tensor;
    else state[key] = tensor;
  return { progression: parsed.data, state, best: Object.keys(best).length > 0 ? best : null };
}
