/** Targets: what the reduce stages of jobs make. */
import type { Page, StageInputOf, StageResultOf, StageStatus, Targets, TargetsQuery } from '@rela/contracts';
import type { Connection } from '../connection.js';
import { Prisma } from '../generated/client.js';
import { fromJson } from './json.js';
import { assertCursor, pageOf } from './paging.js';
import { ownedSql, type TenantScope } from './scope.js';

const AROUND = {
  include: {
    job: { select: { datasetId: true, dataset: { select: { train: true } } } },
    dependents: {
      where: { needed: true },
      select: { stage: { select: { runId: true } } },
      orderBy: { stage: { position: 'asc' } },
    },
  },
} satisfies Prisma.StageDefaultArgs;
type Row = Prisma.StageGetPayload<typeof AROUND>;

/** @param row a reduce stage: it belongs to a job, whose data set was ready when the job was accepted */
function toTargets({ job, dependents, ...row }: Row): Targets {
  const { dataset, prior, k } = fromJson<StageInputOf<'reduce'>>(row.input);
  const result = row.result === null ? null : fromJson<StageResultOf<'reduce'>>(row.result);
  return {
    id: row.id,
    jobId: row.jobId ?? '',
    runIds: dependents.flatMap(({ stage }) => (stage.runId === null ? [] : [stage.runId])),
    datasetId: job?.datasetId ?? '',
    ...{ dataset, prior, k },
    count: job?.dataset.train ?? 0,
    status: row.status as StageStatus,
    digest: result?.targets ?? null,
    error: row.error,
    createdAt: row.createdAt.toISOString(),
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}

export function createTargets({ prisma }: Connection, tenant: TenantScope) {
  return {
    async list({ job, run, digest, cursor, limit }: TargetsQuery): Promise<Page<Targets>> {
      assertCursor('stg', cursor);
      // 'reduce' stands in the text, since that is the condition of the indexes that serve this.
      const found = await prisma.$queryRaw<{ id: string }[]>`
        SELECT id FROM stage WHERE kind = 'reduce' AND ${ownedSql(tenant, 'stage')}
          ${cursor === undefined ? Prisma.empty : Prisma.sql`AND id < ${cursor}`}
          ${job === undefined ? Prisma.empty : Prisma.sql`AND job_id = ${job}`}
          ${digest === undefined ? Prisma.empty : Prisma.sql`AND result->>'targets' = ${digest}`}
          ${
            run === undefined
              ? Prisma.empty
              : Prisma.sql`AND id IN (
                  SELECT mine.dependency_id FROM stage AS user_of JOIN stage_dependency AS mine ON mine.stage_id = user_of.id
                  WHERE user_of.run_id = ${run} AND mine.needed)`
          }
        ORDER BY id DESC LIMIT ${limit + 1}`;
      const rows = await prisma.stage.findMany({
        where: { id: { in: found.map(({ id }) => id) } },
        orderBy: { id: 'desc' },
        ...AROUND,
      });
      return pageOf(rows, limit, toTargets);
    },
  };
}
