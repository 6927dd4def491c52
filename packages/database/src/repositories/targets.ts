/** Targets: what the reduce stages of jobs make. */
import type { Page, StageInputOf, StageResultOf, StageStatus, Targets, TargetsQuery } from '@rela/contracts';
import type { Connection } from '../connection.js';
import type { Prisma } from '../generated/client.js';
import { fromJson } from './json.js';
import { pageArguments, pageOf } from './paging.js';
import { ofOwnJob, type TenantScope } from './scope.js';

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
    async list({ job, run, digest, ...page }: TargetsQuery): Promise<Page<Targets>> {
      const { where, ...rest } = pageArguments('stg', page);
      const rows = await prisma.stage.findMany({
        ...rest,
        where: {
          ...where,
          ...ofOwnJob(tenant),
          kind: 'reduce',
          ...(job === undefined ? {} : { jobId: job }),
          ...(run === undefined ? {} : { dependents: { some: { needed: true, stage: { runId: run } } } }),
          ...(digest === undefined ? {} : { result: { path: ['targets'], equals: digest } }),
        },
        ...AROUND,
      });
      return pageOf(rows, page.limit, toTargets);
    },
  };
}
