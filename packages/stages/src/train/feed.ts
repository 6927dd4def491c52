/** Batches for a run: views, targets and labels of the images of each step, drawn ahead by the loader. */
import type { DatasetManifest, TargetsManifest, Training } from '@rela/contracts';
import { createLoader } from '@rela/datasets';
import type { HostTensors } from '@rela/engine';
import type { Phase, TrainingPlan } from '@rela/learning';
import type { ArtifactStore } from '@rela/storage';

export interface FeedOptions {
  training: Training;
  manifest: DatasetManifest;
  targets: TargetsManifest | null;
  /** Which views a phase takes, and which inputs. */
  plan: Pick<TrainingPlan, 'views' | 'batchSpecs'>;
  /** Of the first step. */
  phase: Phase;
  /** Images of every run of the step: batches, or their parts. */
  batches: Iterable<{ epoch: number; indices: Uint32Array }>;
  /** Most images of one. */
  batchSize: number;
  threads: number;
  store: ArtifactStore;
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

/** Opens the loader for the steps of `batches`; what it gives fits the plan's batch specs of the phase. */
export function openFeed(options: FeedOptions): Feed {
  const { training, manifest, targets, plan, store } = options;
  let phase = options.phase;
  const loader = createLoader({
    manifest,
    targets,
    resolve: (digest) => store.localPath(digest),
    batches: options.batches,
    batchSize: options.batchSize,
    views: plan.views(phase),
    seed: training.seed,
    threads: options.threads,
  });
  return {
    async next() {
      const batch = await loader.next();
      if (!batch) throw new Error('The loader ended before the last step.');
      const { views, labels, targets: rows, waitedSeconds } = batch;
      const named = views.map((view, place) => [`view${place + 1}`, view]);
      const made: Record<string, HostTensors[string]['data'] | null> = {
        ...Object.fromEntries(named),
        ...{ labels, targets: rows },
      };
      const tensors: HostTensors = {};
      for (const [name, spec] of Object.entries(plan.batchSpecs(phase))) {
        const data = made[name];
        if (data) tensors[name] = { ...spec, data };
      }
      return { tensors, waitedSeconds, release: () => loader.release(batch) };
    },
    changePhase(next) {
      phase = next;
      loader.setViews(plan.views(phase));
    },
    close: () => loader.close(),
  };
}
