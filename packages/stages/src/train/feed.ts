/** Batches for a run: views, targets and labels of the images of each step, drawn ahead by the loader. */
import type { DatasetManifest, TargetsManifest, Training } from '@rela/contracts';
import { createLoader, type ViewKind } from '@rela/datasets';
import type { HostTensors, TensorSpec } from '@rela/engine';
import type { Phase } from '@rela/learning';
import type { ArtifactStore } from '@rela/storage';
import type { Schedule } from './schedule.js';

export interface FeedOptions {
  training: Training;
  manifest: DatasetManifest;
  targets: TargetsManifest | null;
  image: { size: number; channels: number };
  /** Of the first step. */
  phase: Phase;
  batches: ReturnType<Schedule['batches']>;
  threads: number;
  store: ArtifactStore;
  /** Inputs of the step of a phase. */
  specsOf(phase: Phase): Record<string, TensorSpec>;
}

export interface Batch {
  tensors: HostTensors;
  /** Seconds that the step waited for this batch. */
  waitedSeconds: number;
  /** Hands the memory back: the tensors may be overwritten from now on. */
  release(): void;
}

export interface Feed {
  /** The next step's batch. @throws ProblemError `invalid-data` naming an image that does not decode */
  next(): Promise<Batch>;
  /** From the next batch on, views of the new phase. */
  changePhase(phase: Phase): void;
  close(): Promise<void>;
}

/** The views of a phase: mild ones for the ReLA loss, the method's own after it (method.md, section 2). */
function kindOf(phase: Phase, method: Training['method']['name']): ViewKind {
  if (phase === 'rela') return 'rela';
  switch (method) {
    case 'byol':
      return 'byol';
    case 'supervised':
      return 'supervised';
    default:
      return method satisfies never;
  }
}

/** Opens the loader for the steps of `batches`; what it gives fits the plan's batch specs of the phase. */
export function openFeed(options: FeedOptions): Feed {
  const { training, manifest, targets, image, store, specsOf } = options;
  let phase = options.phase;
  const loader = createLoader({
    manifest,
    targets,
    resolve: (digest) => store.localPath(digest),
    batches: options.batches,
    batchSize: training.batchSize,
    views: kindOf(phase, training.method.name),
    size: image.size,
    seed: training.seed,
    threads: options.threads,
  });
  return {
    async next() {
      const batch = await loader.next();
      if (!batch) throw new Error('The loader ended before the last step.');
      const { view1, view2, labels, waitedSeconds } = batch;
      const made = { view1, view2, labels, targets: batch.targets };
      const tensors: HostTensors = {};
      for (const [name, spec] of Object.entries(specsOf(phase))) {
        const data = made[name as keyof typeof made];
        if (data) tensors[name] = { ...spec, data };
      }
      return { tensors, waitedSeconds, release: () => loader.release(batch) };
    },
    changePhase(next) {
      phase = next;
      loader.setViews(kindOf(phase, training.method.name));
    },
    close: () => loader.close(),
  };
}
