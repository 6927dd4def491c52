/** Runs as the API shows them. */
import type { Run, RunResult, RunSpec, RunStatus } from '@rela/contracts';
import type { Statements } from '../connection.js';
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

/** The same run by any kind of statement. */
export async function readRun(tx: Statements, id: string): Promise<Run> {
  const [row] = await tx.$queryRaw<Prisma.RunGetPayload<object>[]>`
    SELECT id, job_id AS "jobId", position, name, status, spec, result, reused, error, created_at AS "createdAt",
      started_at AS "startedAt", ended_at AS "endedAt" FROM run WHERE id = ${id}`;
  const checkpoints = await tx.$queryRaw<{ step: number; createdAt: Date }[]>`
    SELECT step, checkpoint.created_at AS "createdAt" FROM checkpoint JOIN stage ON stage.id = checkpoint.stage_id
    WHERE stage.run_id = ${id} AND stage.kind = 'train' ORDER BY step DESC LIMIT 1`;
  if (!row) throw new Error(`There is no run ${id} to tell of.`);
  return toRun({ ...row, stages: [{ checkpoints }] } as Parameters<typeof toRun>[0]);
}
