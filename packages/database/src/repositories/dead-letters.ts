/**
 * Stages that were given up after as many tries as they may have: something is wrong with the machine, the service or the work itself, and
 * somebody has to look. They stay here until they are sent again. One that failed by what it was given is none of them: its user has to act.
 */
import type { DeadLetter, Page, StageKind } from '@rela/contracts';
import type { Connection } from '../connection.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';
import { ownedBy, type TenantScope } from './scope.js';

const SHOWN = {
  ...{ id: true, jobId: true, runId: true, datasetId: true, kind: true, attempt: true, worker: true },
  ...{ error: true, deadAt: true },
} as const;

export function createDeadLetters({ prisma }: Connection, tenant: TenantScope) {
  const own = ownedBy(tenant);

  return {
    async list(page: PageRequest): Promise<Page<DeadLetter>> {
      const { where, ...rest } = pageArguments('stg', page);
      const rows = await prisma.stage.findMany({
        ...rest,
        where: { ...where, ...own, deadAt: { not: null } },
        select: SHOWN,
      });
      return pageOf(rows, page.limit, ({ id, deadAt, kind, attempt, error, ...owner }) => ({
        ...{ stageId: id, kind: kind as StageKind, attempts: attempt, error: error ?? '' },
        ...owner,
        at: deadAt!.toISOString(),
      }));
    },
  };
}
