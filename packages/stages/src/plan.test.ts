import { type Dataset, type DatasetManifest, JobCreate, type Prior, ProblemError } from '@rela/contracts';
import { expect, it } from 'vitest';
import { planJob } from './plan.js';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const manifest: DatasetManifest = {
  version: 1,
  classes: ['a', 'b'],
  channels: 1,
  imageSize: { height: 28, width: 28 },
  mean: [0.3],
  std: [0.3],
  splits: {
    train: {
      count: 300,
      shards: [
        { digest: digest('1'), count: 200, bytes: 9 },
        { digest: digest('2'), count: 100, bytes: 9 },
      ],
    },
    test: { count: 50, shards: [] },
  },
};
const dataset = { id: 'ds_1', status: 'ready', digest: digest('d') } as Dataset;
const prior = {
  id: 'pr_1',
  digest: digest('p'),
  model: digest('m'),
  width: 64,
  input: 'x',
  output: 'y',
} as Prior;

const run = (name: string, more: object = {}) => ({
  name,
  method: { name: 'byol' as const },
  batchSize: 50,
  ...more,
});
const request = (...runs: object[]) => JobCreate.parse({ dataset: 'd', prior: 'p', runs });
const plan = (wanted: JobCreate, known: object = {}) =>
  planJob(wanted, { dataset, manifest, prior, ...known });

function faultsOf(wanted: JobCreate, known: object = {}): string[] {
  try {
    plan(wanted, known);
  } catch (error) {
    if (error instanceof ProblemError) return error.errors!.map(({ field }) => field);
    throw error;
  }
  return [];
}

it('embeds each shard once and reduces once, however many runs use the targets', () => {
  const { stages } = plan(request(run('a', { rela: {} }), run('b', { rela: {}, seed: 1 }), run('control')));
  const kinds = stages.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'embed')).toHaveLength(2);
  expect(kinds.filter((kind) => kind === 'reduce')).toHaveLength(1);
  expect(kinds.filter((kind) => kind === 'train')).toHaveLength(3);
  const [accelerated, , control] = stages.filter(({ kind }) => kind === 'train');
  expect(accelerated!.dependsOn).toEqual(['reduce-64']);
  expect(accelerated!.after).toEqual([]);
  expect(control!.dependsOn).toEqual([]);
});

it('a run trains after all targets of its job, also those that it does not use', () => {
  const runs = [
    run('control'),
    run('a', { rela: {} }),
    run('wide', { rela: {}, backbone: { name: 'resnet18' } }),
  ];
  const { stages } = plan(request(...runs), { prior: { ...prior, width: 512 } });
  const waits = stages
    .filter(({ kind }) => kind === 'train')
    .map(({ dependsOn, after }) => [dependsOn, after]);
  expect(waits).toEqual([
    [[], ['reduce-128', 'reduce-512']],
    [['reduce-128'], ['reduce-512']],
    [['reduce-512'], ['reduce-128']],
  ]);
});

it('a job without ReLA embeds nothing', () => {
  expect(plan(request(run('control'))).stages.map(({ kind }) => kind)).toEqual(['train', 'evaluate']);
});

it('the width of the targets is the smaller of the backbone’s and the prior’s', () => {
  const reduce = (width: number) =>
    plan(request(run('a', { rela: {} })), { prior: { ...prior, width } }).stages.find(
      ({ kind }) => kind === 'reduce',
    )!.input;
  expect(reduce(64)).toMatchObject({ k: 64 });
  expect(reduce(512)).toMatchObject({ k: 128 });
});

it('the name of a run and its evaluation do not make another training', () => {
  const keys = (wanted: JobCreate) =>
    Object.fromEntries(plan(wanted).stages.map(({ kind, resultKey }) => [kind, resultKey]));
  const first = keys(request(run('a')));
  const second = keys(request(run('b', { evaluation: { probe: { epochs: 7 } } })));
  expect(second.train).toBe(first.train);
  expect(second.evaluate).not.toBe(first.evaluate);
  expect(keys(request(run('a', { seed: 1 }))).train).not.toBe(first.train);
});

it('names every field that does not fit the data', () => {
  expect(faultsOf(request(run('a', { rela: {} })), { prior: null })).toEqual(['prior']);
  expect(faultsOf(request(run('a'), run('a')))).toEqual(['runs[1].name']);
  expect(faultsOf(request(run('a', { batchSize: 200, dataRatio: 0.5 })))).toEqual(['runs[0].batchSize']);
  const supervised = request(run('a', { method: { name: 'supervised' } }));
  expect(faultsOf(supervised, { manifest: { ...manifest, classes: null } })).toEqual(['runs[0].method']);
  expect(faultsOf(supervised, { manifest: { ...manifest, classes: ['a'] } })).toEqual(['runs[0].method']);
  expect(faultsOf(request(run('a')), { manifest: { ...manifest, imageSize: null } })).toEqual([
    'runs[0].imageSize',
  ]);
});

it('refuses a data set whose images are all the same', () => {
  expect(faultsOf(request(run('a')), { manifest: { ...manifest, identical: true } })).toEqual(['dataset']);
});

it('offers a larger dataRatio for a batch that is too large only where there is one', () => {
  const faultOf = (dataRatio: number) => {
    try {
      planJob(request(run('a', { batchSize: 400, dataRatio })), { dataset, manifest, prior });
    } catch (error) {
      return (error as ProblemError).message;
    }
    return 'none';
  };
  expect(faultOf(1)).toContain('take a batchSize of at most 300, or more images');
  expect(faultOf(0.5)).toContain('take a batchSize of at most 150, or a larger dataRatio, or more images');
});

it('makes targets without a run, as wide as the prior gives or as is asked for', () => {
  const targetsOnly = (targets: object) => JobCreate.parse({ dataset: 'd', prior: 'p', targets });
  const { stages, runs } = plan(targetsOnly({}));
  expect(runs).toEqual([]);
  expect(stages.map(({ ref }) => ref)).toEqual(['embed-0', 'embed-1', 'reduce-64']);
  expect(stages[2]?.dependsOn).toEqual(['embed-0', 'embed-1']);
  expect(plan(targetsOnly({ k: 8 })).stages.at(-1)).toMatchObject({ ref: 'reduce-8', input: { k: 8 } });
  const few = { ...manifest, splits: { ...manifest.splits, train: { ...manifest.splits.train, count: 20 } } };
  expect(plan(targetsOnly({}), { manifest: few }).stages.at(-1)?.ref).toBe('reduce-19');
});

it('makes the targets that are asked for beside those of the runs, the same ones once', () => {
  const ofRun = plan({ ...request(run('a', { rela: {} })), targets: { k: 64 } });
  expect(ofRun.stages.filter(({ kind }) => kind === 'reduce')).toHaveLength(1);
  const { stages } = plan({ ...request(run('a', { rela: {} })), targets: { k: 8 } });
  expect(stages.filter(({ kind }) => kind === 'reduce').map(({ ref }) => ref)).toEqual([
    'reduce-8',
    'reduce-64',
  ]);
  expect(stages.find(({ kind }) => kind === 'train')?.dependsOn).toEqual(['reduce-64']);
});

it('refuses a job that has nothing to do, targets without a prior, and wider ones than there can be', () => {
  expect(faultsOf(JobCreate.parse({ dataset: 'd' }))).toEqual(['runs']);
  expect(faultsOf(JobCreate.parse({ dataset: 'd', targets: {} }), { prior: null })).toEqual(['prior']);
  expect(faultsOf(JobCreate.parse({ dataset: 'd', prior: 'p', targets: { k: 65 } }))).toEqual(['targets.k']);
});
