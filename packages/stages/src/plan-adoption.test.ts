/** Jobs whose prior is a model that a run of another job is to train: what is planned before there is one. */
import {
  type Dataset,
  type DatasetManifest,
  JobCreate,
  type Prior,
  ProblemError,
  RunSpec,
} from '@rela/contracts';
import { expect, it } from 'vitest';
import { planJob } from './plan.js';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const manifest: DatasetManifest = {
  ...{ version: 1, classes: ['a', 'b'], channels: 1, imageSize: { height: 28, width: 28 } },
  ...{ mean: [0.3], std: [0.3] },
  splits: {
    train: { count: 300, shards: [{ digest: digest('1'), count: 300, bytes: 9 }] },
    test: { count: 50, shards: [] },
  },
};
const dataset = { id: 'ds_1', status: 'ready', digest: digest('d') } as Dataset;
const run = (name: string, more: object = {}) => ({ name, method: { name: 'byol' }, batchSize: 50, ...more });
const awaited = (backbone = 'resnet18-narrow') => ({
  run: { id: 'run_1', jobId: 'job_1', spec: RunSpec.parse(run('teacher', { backbone: { name: backbone } })) },
  name: 'teacher run_1',
});

const plan = (request: object, known: object = {}) =>
  planJob(JobCreate.parse({ dataset: 'd', prior: { run: 'run_1' }, ...request }), {
    ...{ dataset, manifest, prior: null, awaited: awaited(), ...known },
  });

it('has the stage that makes the model a prior, and the runs, which wait for it', () => {
  const planned = plan(
    { runs: [run('a', { rela: {} }), run('control')], after: ['job_2'] },
    { after: ['job_2'] },
  );
  expect(planned.stages.map(({ ref, dependsOn, after }) => [ref, dependsOn, after])).toEqual([
    ['adopt', [], []],
    ['train-0', ['adopt'], []],
    ['evaluate-0', ['train-0'], []],
    ['train-1', [], ['adopt']],
    ['evaluate-1', ['train-1'], []],
  ]);
  expect(planned.stages[0]!.input).toMatchObject({
    ...{ kind: 'adopt', run: { id: 'run_1', jobId: 'job_1' }, name: 'teacher run_1', model: null },
  });
  expect(planned.priorId).toBeNull();
  expect(planned.waitsFor).toEqual([
    { jobId: 'job_1', runId: 'run_1' },
    { jobId: 'job_2', runId: null },
  ]);
});

it('waits for whole jobs with the plan that it would have anyway', () => {
  const prior = { id: 'pr_1', name: 'p', digest: digest('p'), model: digest('m'), width: 64 } as Prior;
  const known = { prior, awaited: undefined };
  const request = { prior: 'p', runs: [run('a', { rela: {} })] };
  const { waitsFor, ...planned } = plan(request, { ...known, after: ['job_2'] });
  expect(waitsFor).toEqual([{ jobId: 'job_2', runId: null }]);
  expect(planned.stages).toEqual(plan(request, known).stages);
});

it('does not wait for a model that no run takes', () => {
  const planned = plan({ runs: [run('control')] });
  expect([planned.waitsFor, planned.priorId]).toEqual([[], null]);
  expect(planned.stages.map(({ kind }) => kind)).toEqual(['train', 'evaluate']);
});

it('refuses by field what will not fit the model, as far as that is known', () => {
  const faultsOf = (request: object, known: object = {}) => {
    try {
      plan(request, known);
    } catch (error) {
      if (error instanceof ProblemError) return error.errors!.map(({ field }) => field);
      throw error;
    }
    return [];
  };
  const wide = { awaited: awaited('resnet18') };
  const student = { backbone: { name: 'resnet18' }, rela: {} };
  expect(faultsOf({ runs: [run('a', student)] })).toEqual([]);
  expect(faultsOf({ runs: [run('a', student)] }, wide)).toEqual(['runs[0].rela']);
  expect(faultsOf({ runs: [], targets: { k: 129 } })).toEqual(['targets.k']);
});
