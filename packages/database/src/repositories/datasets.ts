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
import { together } from '../together.js';
import { fromJson, toJson } from './json.js';
import { namesInUse } from './names.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';
import { ownedBy, ownedSql, ownerOf, type TenantScope } from './scope.js';

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

/** References that are looked up in one go. */
const AT_ONCE = 50;

export function createDatasets({ prisma, transaction, direct }: Connection, tenant: TenantScope) {
  const own = ownedBy(tenant);
  const find = together(
    async (references: string[]) => {
      const rows = await direct.$queryRaw<{ reference: string; id: string }[]>`
        SELECT reference, newest.id FROM unnest(${[...new Set(references)]}::text[]) AS reference
        CROSS JOIN LATERAL (
          -- The newest of each index: a name may have as many data sets as there were days. One with a digest is ready.
          SELECT id FROM (
            (SELECT id, true AS named, status FROM dataset WHERE id = reference AND ${ownedSql(tenant, 'dataset')})
            UNION ALL
            (SELECT id, false, status FROM dataset WHERE ${ownedSql(tenant, 'dataset')} AND digest = reference
              ORDER BY digest DESC, id DESC LIMIT 1)
            UNION ALL
            (SELECT id, false, status FROM dataset WHERE ${ownedSql(tenant, 'dataset')} AND name = reference AND status = 'ready'
              ORDER BY name DESC, id DESC LIMIT 1)
            UNION ALL
            (SELECT id, false, status FROM dataset WHERE ${ownedSql(tenant, 'dataset')} AND name = reference
              ORDER BY name DESC, id DESC LIMIT 1)
          ) AS found ORDER BY named DESC, status = 'ready' DESC, id DESC LIMIT 1
        ) AS newest`;
      const found = await prisma.dataset.findMany({
        where: { id: { in: rows.map(({ id }) => id) } },
        ...WITH_PROGRESS,
      });
      const byId = new Map(found.map((row) => [row.id, toDataset(row)]));
      const idOf = new Map(rows.map(({ reference, id }) => [reference, id]));
      return references.map((reference) => byId.get(idOf.get(reference) ?? '') ?? null);
    },
    { most: AT_ONCE },
  );

  async function get(id: string): Promise<Dataset | null> {
    const row = await prisma.dataset.findFirst({ where: { id, ...own }, ...WITH_PROGRESS });
    return row && toDataset(row);
  }

  return {
    /** The dataset, its `ingest` stage and the message for it, in one transaction. */
    async create(input: DatasetCreate, tx?: Transaction): Promise<{ dataset: Dataset; stageId: string }> {
      const id = newId('ds');
      const stageId = newId('stg');
      const write = async (within: Transaction) => {
        const row = await insertDataset(within, {
          ...{ id, tenantId: ownerOf(tenant), name: input.name, source: toJson(input.source) },
        });
        await insertStages(within, [
          {
            ...{ id: stageId, jobId: null, runId: null, datasetId: id, position: 0, kind: 'ingest' },
            // Files may have changed since another dataset read them: the result is nobody else's.
            resultKey: `ingest:${id}`,
            input: { kind: 'ingest', dataset: input },
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
        const row = await tx.dataset.findFirst({ where: { id, ...own }, select: { status: true } });
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
    find,

    async list(page: PageRequest): Promise<Page<Dataset>> {
      const { where, ...rest } = pageArguments('ds', page);
      const rows = await prisma.dataset.findMany({ ...rest, where: { ...where, ...own }, ...WITH_PROGRESS });
      return pageOf(rows, page.limit, toDataset);
    },

    names: () => namesInUse(direct, tenant, 'dataset'),

    /** Digest of the manifest; null where the dataset is unknown or not ready. */
    async manifestDigest(id: string): Promise<string | null> {
      return (
        (await prisma.dataset.findFirst({ where: { id, ...own }, select: { digest: true } }))?.digest ?? null
      );
    },
  };
}
