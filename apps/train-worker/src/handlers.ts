/** The stages of this worker: what is looked up before the child starts, and what is written down while it runs. */

import type { Config } from '@rela/config';
import {
  DatasetManifest,
  type StageKind,
  type StageResult,
  type StageResultOf,
  TargetsManifest,
} from '@rela/contracts';
import type { Claim, Database } from '@rela/database';
import type { EngineName } from '@rela/engine';
import { readJson } from '@rela/stages';
import type { ArtifactStore } from '@rela/storage';
import { type AttemptContext, ownerOf, type StageHandler, type WorkerLog } from '@rela/worker';
import { type ChildEvent, runInChild } from './child-process.js';
import type { Work } from './messages.js';

export interface HandlerParts {
  config: Config;
  engine: EngineName;
  database: Database;
  store: ArtifactStore;
  log: WorkerLog;
}

/** The result of the stage of `kind` that this stage depends on. */
function dependency<K extends StageKind>(claim: Claim, kind: K): StageResultOf<K> {
  const found = claim.dependencies.find(
    (result): result is StageResultOf<K> & StageResult => result.kind === kind,
  );
  if (!found) throw new Error(`Stage ${claim.stageId} has no result of a ${kind} stage to build on.`);
  return found;
}

export function createHandlers(parts: HandlerParts): { train: StageHandler; evaluate: StageHandler } {
  const { config, engine, database, store, log } = parts;

  const common = async ({ stageId, fence }: Claim, dataset: string) => ({
    owner: ownerOf({ stageId, fence }),
    manifest: await readJson(store, dataset, DatasetManifest),
    storageUrl: config.storageUrl,
    home: config.home,
    engine,
    kernels: config.kernels,
    precision: config.precision,
    threads: config.threads,
  });

  /** Writes down what a run tells, under the claim's fencing number. */
  const record = (claim: Claim) => async (event: ChildEvent) => {
    switch (event.type) {
      case 'metrics':
        await database.whenAvailable(() => database.runs.appendMetrics(claim, event.metrics));
        return;
      case 'switch':
        await database.whenAvailable(() => database.runs.recordSwitch(claim, event.step));
        return;
      case 'checkpoint': {
        const { step, digest, bytes, final } = event;
        const dropped = await database.whenAvailable(() =>
          database.runs.saveCheckpoint(claim, { step, digest, bytes, final }),
        );
        await Promise.all(dropped.map((old) => store.remove(old)));
        return;
      }
      case 'warning':
        log.warn({ stageId: claim.stageId, runId: claim.runId }, event.text);
        return;
      default:
        event satisfies never;
    }
  };

  const inChild = async (work: Work, claim: Claim, context: AttemptContext) => {
    // Who is killed cannot remove what it was writing: an earlier attempt with its worker, a child of this one.
    if (claim.fence > 1) await store.discard(claim.stageId);
    try {
      return { result: await runInChild(work, context, record(claim)) };
    } finally {
      await store.discard(work.owner);
    }
  };

  return {
    async train(claim, context) {
      if (claim.input.kind !== 'train')
        throw new Error(`A train worker was given a ${claim.input.kind} stage.`);
      const { input } = claim;
      const targets = input.reduceKey
        ? await readJson(store, dependency(claim, 'reduce').targets, TargetsManifest)
        : null;
      const work: Work = {
        type: 'train',
        ...(await common(claim, input.dataset)),
        input,
        targets,
        checkpoints: claim.checkpoints,
        checkpointSeconds: config.checkpointSeconds,
      };
      return inChild(work, claim, context);
    },
    async evaluate(claim, context) {
      if (claim.input.kind !== 'evaluate')
        throw new Error(`A train worker was given a ${claim.input.kind} stage.`);
      const { input } = claim;
      const { model, weights } = dependency(claim, 'train');
      const { task } = input;
      const work: Work = {
        type: 'evaluate',
        ...(await common(claim, input.dataset)),
        ...{ input, model, weights },
        transfer: task?.kind === 'transfer' ? await readJson(store, task.dataset, DatasetManifest) : null,
      };
      return inChild(work, claim, context);
    },
  };
}
