/** Stages as others see them. */
import type { JobStage, Progress, StageInput, StageKind, StageResult, StageStatus } from '@rela/contracts';
import type { Stage as StageTableRow } from '../generated/client.js';
import { fromJson } from './json.js';

/** A stage as it stands, for those who look at it. */
export interface Stage {
  id: string;
  jobId: string | null;
  runId: string | null;
  datasetId: string | null;
  kind: StageKind;
  status: StageStatus;
  resultKey: string;
  input: StageInput;
  result: StageResult | null;
  reused: boolean;
  dispatch: number;
  fence: number;
  attempt: number;
  worker: string | null;
  leaseUntil: string | null;
  cancelRequested: boolean;
  progress: Progress | null;
  error: string | null;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
}

export function toStage(row: StageTableRow): Stage {
  return {
    id: row.id,
    jobId: row.jobId,
    runId: row.runId,
    datasetId: row.datasetId,
    kind: row.kind as StageKind,
    status: row.status as StageStatus,
    resultKey: row.resultKey,
    input: fromJson(row.input),
    result: row.result === null ? null : fromJson(row.result),
    reused: row.reused,
    dispatch: row.dispatch,
    fence: row.fence,
    attempt: row.attempt,
    worker: row.worker,
    leaseUntil: row.leaseUntil?.toISOString() ?? null,
    cancelRequested: row.cancelRequested,
    progress: row.progress === null ? null : fromJson(row.progress),
    error: row.error,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}

/** Without what it was given and what it gave. */
export function toJobStage(row: Omit<StageTableRow, 'input' | 'result'>): JobStage {
  const { id, runId, attempt, reused, error } = row;
  return {
    ...{ id, runId, kind: row.kind as StageKind, status: row.status as StageStatus, attempt, reused },
    progress: row.progress === null ? null : fromJson(row.progress),
    ...{ error, deadAt: row.deadAt?.toISOString() ?? null },
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}
