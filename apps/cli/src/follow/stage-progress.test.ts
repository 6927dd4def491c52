/** The progress of a job in words. */
import type { Dataset, Job, StageSummary } from '@rela/contracts';
import { describe, expect, it } from 'vitest';
import { datasetProgress, stageProgress } from './stage-progress.js';

function jobOf(...stages: Partial<StageSummary>[]): Job {
  return {
    id: 'job_1',
    name: null,
    status: 'running',
    datasetId: 'ds_1',
    priorId: null,
    waitsFor: [],
    appraisals: [],
    blend: null,
    choice: null,
    warnings: [],
    labels: {},
    priority: 0,
    limits: {},
    scheduleId: null,
    dueAt: null,
    runs: [{ id: 'run_1', name: 'control', status: 'running' }],
    stages: stages.map((stage) => ({
      kind: 'train',
      runId: 'run_1',
      total: 1,
      succeeded: 0,
      reused: 0,
      failed: 0,
      progress: null,
      ...stage,
    })),
    error: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    startedAt: null,
    endedAt: null,
  };
}

const half = { done: 50, total: 100, unit: 'steps', rate: 10, secondsLeft: 5 };

describe('the progress of a job', () => {
  it('names the run that a stage belongs to', () => {
    const labels = stageProgress(jobOf({}, { kind: 'reduce', runId: null })).map(({ label }) => label);
    expect(labels).toEqual(['train control', 'reduce']);
  });

  it('has share, rate and time left of a stage under way', () => {
    expect(stageProgress(jobOf({ progress: half }))[0]).toMatchObject({
      state: 'running',
      share: 0.5,
      text: '50/100 steps, 10.0 steps/s, 5.0 s left',
    });
  });

  it('counts the shards that have not begun into the time left', () => {
    const [embed] = stageProgress(
      jobOf({ kind: 'embed', runId: null, total: 4, succeeded: 1, progress: half }),
    );
    expect(embed).toMatchObject({ share: 0.375, text: '1/4 shards, 10.0 steps/s, 25 s left' });
  });

  it('says what was reused, and what failed', () => {
    const texts = stageProgress(
      jobOf({ succeeded: 1, reused: 1 }, { total: 3, succeeded: 3, reused: 2 }, { total: 3, failed: 1 }, {}),
    ).map(({ text, state }) => `${state}: ${text}`);
    expect(texts).toEqual(['done: reused', 'done: done, 2 reused', 'failed: failed', 'waiting: waiting']);
  });

  it('leaves out a rate that is not known yet', () => {
    const progress = { ...half, rate: null, secondsLeft: null };
    expect(stageProgress(jobOf({ progress }))[0]?.text).toBe('50/100 steps');
  });
});

describe('the progress of a data set', () => {
  const textOf = (dataset: Partial<Dataset>) => {
    const { label, state, share, text } = datasetProgress({
      ...({ name: 'digits', status: 'running', progress: null, train: null, test: null } as Dataset),
      ...dataset,
    });
    return `${label} ${state} ${share}: ${text}`;
  };

  it('goes from waiting over fetching and reading to the images that are there', () => {
    expect([
      textOf({ status: 'queued' }),
      textOf({}),
      textOf({ progress: { ...half, unit: 'images' } }),
      textOf({ status: 'ready', train: 60, test: 10 }),
      textOf({ status: 'failed' }),
    ]).toEqual([
      'read digits waiting 0: waiting',
      'read digits running 0: fetching',
      'read digits running 0.5: 50/100 images, 10.0 images/s, 5.0 s left',
      'read digits done 1: 60 + 10 images',
      'read digits failed 0: failed',
    ]);
  });
});
