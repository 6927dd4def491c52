/**
 * The state of a dataset; only this file changes it. It follows the dataset's one `ingest` stage:
 *
 *     queued ──stage claimed──▶ running ──stage succeeded──▶ ready
 *        ▲                        │  └────stage failed────▶ failed
 *        └──stage queued again────┴──────────── failed, sent again
 *
 * `ready` is final: a dataset never changes once it can be used.
 */
import type { DatasetManifest, DatasetStatus, StageResultOf } from '@rela/contracts';
import { among } from '../among.js';
import type { Statements, Transaction } from '../connection.js';
import { type Dataset, Prisma } from '../generated/client.js';

const before: Record<Exclude<DatasetStatus, 'ready'>, DatasetStatus[]> = {
  queued: ['running', 'failed'],
  running: ['queued'],
  failed: ['queued', 'running'],
};

/** A new dataset is queued. */
export async function insertDataset(
  tx: Transaction,
  dataset: Omit<Prisma.DatasetCreateManyInput, 'status'>,
): Promise<Dataset> {
  return tx.dataset.create({
    data: {
      ...dataset,
      status: 'queued' satisfies DatasetStatus,
      classes: Prisma.DbNull,
      mean: Prisma.DbNull,
      std: Prisma.DbNull,
    },
  });
}

/** Moves the dataset along with its stage. Does nothing where it is past that state. */
export async function moveDataset(
  tx: Transaction,
  id: string,
  status: Exclude<DatasetStatus, 'ready'>,
  error: string | null = null,
): Promise<void> {
  await tx.dataset.updateMany({
    where: { id, status: { in: before[status] } },
    data: { status, error },
  });
}

/** queued → running, as their stages are. */
export async function startDatasets(tx: Statements, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.$queryRaw`
    UPDATE dataset SET status = 'running', error = NULL WHERE id = ${among(ids)} AND status = 'queued'`;
}

/** queued | running → ready, with what the manifest says. */
export async function finishDataset(
  tx: Transaction,
  id: string,
  result: StageResultOf<'ingest'>,
  manifest: DatasetManifest,
): Promise<void> {
  await tx.dataset.updateMany({
    where: { id, status: { in: ['queued', 'running'] } },
    data: {
      status: 'ready' satisfies DatasetStatus,
      digest: result.manifest,
      train: manifest.splits.train.count,
      test: manifest.splits.test?.count ?? null,
      classes: manifest.classes ?? Prisma.DbNull,
      channels: manifest.channels,
      imageHeight: manifest.imageSize?.height ?? null,
      imageWidth: manifest.imageSize?.width ?? null,
      mean: manifest.mean,
      std: manifest.std,
      bytes: result.bytes,
      warnings: result.warnings ?? [],
      undecodableCount: result.undecodable.count,
      undecodableExamples: result.undecodable.examples,
      error: null,
    },
  });
}
