/** What the result of a stage means for the rows around it, and for who may read what. */
import { type DatasetManifest, FILE_TYPES, type JobPlan, type StageResult } from '@rela/contracts';
import type { Statements, Transaction } from '../connection.js';
import { finishDataset } from '../state/dataset-state.js';
import { appendEvents } from '../state/events.js';
import { assembleResult } from '../state/run-state.js';
import { readInput, type StageRow } from '../state/stage-state.js';
import { type Grant, grantToOwners, recordArtifact } from './artifacts.js';
import { continuePlan } from './plan-rows.js';
import { registerPrior } from './priors.js';

export interface SucceedOptions {
  /** The result is an earlier one of equal key. */
  reused?: boolean;
  /** What became known besides the result: `ingest` has to give the manifest, `choose` and `adopt` the plan of the job with its prior. */
  facts?: { manifest: DatasetManifest } | { plan: JobPlan };
}

async function warn(tx: Transaction, stage: StageRow, prior: string, flags: string[]): Promise<void> {
  if (!stage.jobId) return;
  await appendEvents(
    tx,
    stage.jobId,
    flags.map((flag) => ({ type: 'warning', stageId: stage.id, text: `Prior "${prior}": ${flag}.` })),
  );
}

/** Writes what follows from the result. What is read of it: `grantResults`. */
export async function spreadResult(
  tx: Transaction,
  stage: StageRow,
  result: StageResult,
  facts: SucceedOptions['facts'],
): Promise<void> {
  const { runId, datasetId } = stage;
  switch (result.kind) {
    case 'ingest':
      if (!facts || !('manifest' in facts))
        throw new Error('An ingest stage succeeds with the manifest of its dataset; none was given.');
      if (datasetId) await finishDataset(tx, datasetId, result, facts.manifest);
      return;
    case 'train': {
      const { model: digest, modelBytes: bytes, width } = result;
      // A reused model stays the model of the run that trained it.
      await tx.model.upsert({ where: { digest }, create: { digest, runId, bytes, width }, update: {} });
      for (const { model, modelBytes } of [result.last, result.best].filter((kept) => kept !== undefined))
        await tx.model.upsert({
          where: { digest: model },
          create: { digest: model, runId, bytes: modelBytes, width },
          update: {},
        });
      for (const kept of [result, result.last, result.best])
        if (kept)
          await recordArtifact(tx, {
            ...{ digest: kept.weights, bytes: kept.weightsBytes, mediaType: FILE_TYPES.safetensors },
          });
      if (runId) await assembleResult(tx, runId);
      return;
    }
    case 'evaluate':
      for (const files of result.features ?? []) {
        const mediaType = FILE_TYPES[files.format ?? 'npy'];
        await recordArtifact(tx, { digest: files.features, bytes: files.featuresBytes, mediaType });
        if (files.format !== 'parquet')
          await recordArtifact(tx, { digest: files.labels, bytes: files.labelsBytes, mediaType });
      }
      if (runId) await assembleResult(tx, runId);
      return;
    case 'appraise': {
      const input = await readInput(tx, stage.id);
      // Of several candidates only the flags of the chosen one matter.
      if (input.kind === 'appraise' && input.refuse) await warn(tx, stage, result.name, result.flags);
      return;
    }
    case 'choose': {
      if (!facts || !('plan' in facts))
        throw new Error('A choose stage succeeds with the plan of its job; none was given.');
      const [taken] = result.candidates;
      await warn(tx, stage, result.name, taken?.flags ?? []);
      // Of a cancelled job nothing waits for it any more.
      if (stage.jobId && !stage.cancelRequested)
        await continuePlan(tx, stage.jobId, stage.position, facts.plan);
      return;
    }
    case 'adopt': {
      if (!facts || !('plan' in facts))
        throw new Error('An adopt stage succeeds with the plan of its job; none was given.');
      const { prior, modelBytes: bytes } = result;
      await recordArtifact(tx, { digest: prior.model, bytes, mediaType: FILE_TYPES.onnx });
      if (!stage.jobId) return;
      const { tenantId } = await tx.job.findUniqueOrThrow({
        where: { id: stage.jobId },
        select: { tenantId: true },
      });
      const priorId = await registerPrior(tx, tenantId, prior);
      if (!stage.cancelRequested)
        await continuePlan(tx, stage.jobId, stage.position, { ...facts.plan, priorId });
      return;
    }
    case 'embed':
    case 'join':
    case 'reduce':
      return;
    default:
      result satisfies never;
  }
}

/** Lets the tenants of stages read what they were given. */
export async function grantResults(
  tx: Statements,
  given: { stage: Pick<StageRow, 'tenantId'>; result: StageResult }[],
): Promise<void> {
  await grantToOwners(
    tx,
    given.map(({ stage: { tenantId }, result }) => ({ tenantId, grants: grantsOf(result) })),
  );
}

/** What its tenant may read of a result. What stages write for each other alone is nobody's to read. */
function grantsOf(result: StageResult): Grant[] {
  switch (result.kind) {
    case 'ingest':
      return [{ digest: result.manifest, bytes: result.bytes, isList: true }];
    case 'reduce':
      return [{ digest: result.targets, isList: true }];
    case 'train':
      return [result, result.last, result.best]
        .filter((kept) => kept !== undefined)
        .flatMap(({ model, modelBytes, weights, weightsBytes }) => [
          { digest: model, bytes: modelBytes },
          { digest: weights, bytes: weightsBytes },
        ]);
    case 'evaluate':
      return (result.features ?? []).flatMap(({ features, featuresBytes, ...files }) => [
        { digest: features, bytes: featuresBytes },
        ...(files.format === 'parquet' ? [] : [{ digest: files.labels, bytes: files.labelsBytes }]),
      ]);
    case 'adopt':
      return [{ digest: result.prior.model, bytes: result.modelBytes }];
    case 'embed':
    case 'join':
    case 'appraise':
    case 'choose':
      return [];
    default:
      return result satisfies never;
  }
}
