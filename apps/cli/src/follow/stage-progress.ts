/** How far a group of stages, or a data set that is read, is, in words and as a share. The service counts; here it is only put into words. */
import type { Dataset, Job, Progress, StageSummary } from '@rela/contracts';
import { formatRate, formatSeconds } from '../output/format.js';

export interface StageProgress {
  /** Names the group in the job. */
  key: string;
  /** Such as `train control`. */
  label: string;
  state: 'waiting' | 'running' | 'done' | 'failed';
  /** 0 to 1 */
  share: number;
  /** Such as `312/936 steps, 12.3 steps/s, 51 s left`. */
  text: string;
}

function describe(stage: StageSummary): string {
  const { progress, total, succeeded, failed, reused } = stage;
  if (failed > 0) return 'failed';
  if (succeeded === total)
    return reused === total ? 'reused' : reused > 0 ? `done, ${reused} reused` : 'done';
  const shards = total > 1 ? `${succeeded}/${total} shards` : null;
  if (!progress) return shards ?? 'waiting';
  // What has not begun is taken to be as large as what is under way.
  const behind = progress.rate ? ((total - succeeded - 1) * progress.total) / progress.rate : 0;
  return wordsOf(progress, { count: shards ?? countOf(progress), behind });
}

/** @param more.behind seconds that come after what is under way */
function wordsOf({ rate, unit, secondsLeft }: Progress, more: { count: string; behind: number }): string {
  const speed = rate === null ? null : `${formatRate(rate)} ${unit}/s`;
  const left = secondsLeft === null ? null : `${formatSeconds(secondsLeft + more.behind)} left`;
  return [more.count, speed, left].filter((part) => part !== null).join(', ');
}

const countOf = ({ done, total, unit }: Progress) => `${Math.floor(done)}/${total} ${unit}`;

function stateOf({ progress, total, succeeded, failed }: StageSummary): StageProgress['state'] {
  if (failed > 0) return 'failed';
  if (succeeded === total) return 'done';
  return progress || succeeded > 0 ? 'running' : 'waiting';
}

function shareOf({ progress, total, succeeded }: StageSummary): number {
  const underWay = progress && progress.total > 0 ? Math.min(progress.done / progress.total, 1) : 0;
  return total === 0 ? 1 : Math.min((succeeded + (succeeded < total ? underWay : 0)) / total, 1);
}

/** One entry a group, in the order in which the groups run. */
export function stageProgress(job: Job): StageProgress[] {
  const names = new Map(job.runs.map((run) => [run.id, run.name]));
  return job.stages.map((stage) => {
    const run = stage.runId === null ? null : (names.get(stage.runId) ?? stage.runId);
    return {
      key: `${stage.kind} ${stage.runId ?? ''}`,
      label: run === null ? stage.kind : `${stage.kind} ${run}`,
      state: stateOf(stage),
      share: shareOf(stage),
      text: describe(stage),
    };
  });
}

/** A data set on its way to `ready`: it waits, is fetched, then its images are read. */
export function datasetProgress({ name, status, progress, train, test }: Dataset): StageProgress {
  const group = { key: 'ingest', label: `read ${name}` };
  switch (status) {
    case 'queued':
      return { ...group, state: 'waiting', share: 0, text: 'waiting' };
    case 'running': {
      if (!progress) return { ...group, state: 'running', share: 0, text: 'fetching' };
      const text = wordsOf(progress, { count: countOf(progress), behind: 0 });
      const share = progress.total > 0 ? Math.min(progress.done / progress.total, 1) : 0;
      return { ...group, state: 'running', share, text };
    }
    case 'ready':
      return { ...group, state: 'done', share: 1, text: `${train} + ${test ?? 0} images` };
    case 'failed':
      return { ...group, state: 'failed', share: 0, text: 'failed' };
    default:
      return status satisfies never;
  }
}
