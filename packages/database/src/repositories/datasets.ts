/** Datasets: accepted together with the stage that reads them in. Their state: state/dataset-state.ts. */
import {
  type Dataset,
  type DatasetCreate,
  type DatasetStatus,
  newId,
  type Page,
  ProblemError,
  type Progress,
} from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import type { Prisma } from '../generated/client.js';
import { insertDataset, moveDataset } from '../state/dataset-state.js';
import { insertStages, queueStages, resetIngest } from '../state/stage-state.js';
import { fromJson, toJson } from './json.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';

/** The progress of a dataset is that of the stage that reads it. */
const WITH_PROGRESS = {
  include: { stages: { where: { status: 'running' }, select: { progress: true } } },
} satisfies Prisma.DatasetDefaultArgs;
type DatasetRow = Prisma.DatasetGetPayload<typeof WITH_PROGRESS>;

function toDataset(row: DatasetRow): Dataset {
  const progress = row.stages[0]?.progress ?? null;
  return {
    id: row.id,
    name: row.name,
    status: row.status as DatasetStatus,
    source: fromJson(row.source),
    digest: row.digest,
    train: row.train,
    test: row.test,
    classes: row.classes === null ? null : fromJson<string[]>(row.classes),
    channels: row.channels,
    imageSize:
      row.imageHeight !== null && row.imageWidth !== null
        ? { height: row.imageHeight, width: row.imageWidth }
        : null,
    mean: row.mean === null ? null : fromJson<number[]>(row.mean),
    std: row.std === null ? null : fromJson<number[]>(row.std),
    bytes: row.bytes === null ? null : Number(row.bytes),
    warnings: fromJson(row.warnings),
    undecodable: { count: row.undecodableCount, examples: fromJson(row.undecodableExamples) },
    progress: progress === null ? null : fromJson<Progress>(progress),
    error: row.error,
    createdAt: row.createdAt.toISOString(),
  };
}

export function createDatasets({ prisma, transaction }: Connection) {
  async function get(id: string): Promise<Dataset | null> {
    const row = await prisma.dataset.findUnique({ where: { id }, ...WITH_PROGRESS });
    return row && toDataset(row);
  }

  return {
    /** The dataset, its `ingest` stage and the message for it, in one transaction. */
    async create(input: DatasetCreate, tx?: Transaction): Promise<{ dataset: Dataset; stageId: string }> {
      const id = newId('ds');
      const stageId = newId('stg');
      const write = async (within: Transaction) => {
        const row = await insertDataset(within, { id, name: input.name, source: toJson(input.source) });
        await insertStages(within, [
          {
            ...{ id: stageId, datasetId: id, position: 0, kind: 'ingest' },
            // Files may have changed since another dataset read them: the result is nobody else's.
            resultKey: `ingest:${id}`,
            input: toJson({ kind: 'ingest', dataset: input }),
          },
        ]);
        await queueStages(within, [stageId]);
        return { dataset: toDataset({ ...row, stages: [] }), stageId };
      };
      return tx ? write(tx) : transaction(write);
    },

    get,

    /**
     * Reads the images of a dataset again that has failed. One that is being read is returned as it is.
     * @throws ProblemError `not-found` · `conflict` where it is ready
     */
    async retry(id: string): Promise<Dataset> {
      await transaction(async (tx) => {
        await tx.$queryRaw`SELECT 1 AS one FROM dataset WHERE id = ${id} FOR NO KEY UPDATE`;
        const row = await tx.dataset.findUnique({ where: { id }, select: { status: true } });
        if (row?.status === 'ready')
          throw new ProblemError('conflict', `Dataset "${id}" is ready; there is nothing to read again.`);
        if (row?.status !== 'failed') return;
        await moveDataset(tx, id, 'queued');
        await resetIngest(tx, id);
      });
      const dataset = await get(id);
      if (dataset) return dataset;
      throw new ProblemError('not-found', `There is no dataset "${id}". GET /v1/datasets lists them.`);
    },

    /** By id, by digest of the manifest, or by name: the newest that is ready, else the newest. */
    async find(reference: string): Promise<Dataset | null> {
      const byId = await get(reference);
      if (byId) return byId;
      // The newest of each index: a name may have as many data sets as there were days. One with a digest is ready.
      const rows = await prisma.$queryRaw<{ id: string }[]>`
        SELECT id FROM (
          (SELECT id, status FROM dataset WHERE digest = ${reference} ORDER BY digest DESC, id DESC LIMIT 1)
          UNION ALL
          (SELECT id, status FROM dataset WHERE name = ${reference} AND status = 'ready' ORDER BY name DESC, id DESC LIMIT 1)
          UNION ALL
          (SELECT id, status FROM dataset WHERE name = ${reference} ORDER BY name DESC, id DESC LIMIT 1)
        ) AS newest ORDER BY status = 'ready' DESC, id DESC LIMIT 1`;
      return rows[0] ? get(rows[0].id) : null;
    },

    async list(page: PageRequest): Promise<Page<Dataset>> {
      const rows = await prisma.dataset.findMany({ ...pageArguments('ds', page), ...WITH_PROGRESS });
      return pageOf(rows, page.limit, toDataset);
    },

    /** Names in use, for a "did you mean". At most 1000, newest first. */
    async names(): Promise<string[]> {
      const rows = await prisma.dataset.findMany({
        select: { name: true },
        orderBy: { id: 'desc' },
        take: 1000,
      });
      return [...new Set(rows.map((row) => row.name))];
    },

    /** Digest of the manifest; null where the dataset is unknown or not ready. */
    async manifestDigest(id: string): Promise<string | null> {
      return (await prisma.dataset.findUnique({ where: { id }, select: { digest: true } }))?.digest ?? null;
    },
  };
}
