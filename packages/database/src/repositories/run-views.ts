/** Runs as the API shows them. */
import type { Run, RunResult, RunSpec, RunStatus } from '@rela/contracts';
import type { Prisma } from '../generated/client.js';
import { fromJson } from './json.js';

export const WITH_CHECKPOINT = {
  include: {
    stages: {
      where: { kind: 'train' },
      select: { checkpoints: { orderBy: { step: 'desc' }, take: 1 } },
    },
  },
} satisfies Prisma.RunDefaultArgs;

export function toRun(row: Prisma.RunGetPayload<typeof WITH_CHECKPOINT>): Run {
  const checkpoint = row.stages.flatMap((stage) => stage.checkpoints)[0];
  return {
    id: row.id,
    jobId: row.jobId,
    name: row.name,
    status: row.status as RunStatus,
    spec: fromJson<RunSpec>(row.spec),
    result: row.result === null ? null : fromJson<RunResult>(row.result),
    reused: row.reused,
    checkpoint: checkpoint ? { step: checkpoint.step, createdAt: checkpoint.createdAt.toISOString() } : null,
    error: row.error,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}
