import { type Dataset, type DatasetManifest, JobCreate, type Prior, ProblemError } from '@rela/contracts';
import { describe, expect, it } from 'vitest';
import { planJob } from './plan.js';
import type { EarlierRun, RunStart } from './run-start.js';

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
  const { train } = manifest.splits;
  const large = { ...manifest, splits: { ...manifest.splits, train: { ...train, count: 3000 } } };
  const { stages } = plan(request(...runs), { prior: { ...prior, width: 512 }, manifest: large });
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

describe('a method that cannot work with the run names the field and what to take', () => {
  const faultOf = (method: object, more: object = {}, known: object = {}) => {
    try {
      plan(request(run('a', { method, ...more })), known);
    } catch (error) {
      if (error instanceof ProblemError) return error.errors;
      throw error;
    }
    return [];
  };
  it.each([
    [
      'mae',
      {},
      'runs[0].backbone.name',
      'is resnet18-narrow, which has no patches that MAE could hide; take vit-tiny, vit-small',
    ],
    ['moco-v2', { queue: 49 }, 'runs[0].method.queue', 'is 49, less than a batch of 50; take at least 50'],
    [
      'dino',
      { localViews: 2, localSize: 29 },
      'runs[0].method.localSize',
      'is 29, and the images are 28 pixels wide',
    ],
  ])('%s %o', (name, options, field, message) => {
    const [fault, ...others] = faultOf({ name, ...options })!;
    expect(fault).toMatchObject({ field });
    expect(fault!.message).toContain(message);
    expect(others).toEqual([]);
  });

  it('mae where an image is one patch', () => {
    const large = { backbone: { name: 'vit-tiny', stem: 'standard' }, imageSize: 16 };
    const [fault] = faultOf({ name: 'mae' }, large)!;
    expect(fault).toMatchObject({ field: 'runs[0].method.maskRatio' });
    expect(faultOf({ name: 'mae' }, { ...large, imageSize: 17 })).toEqual([]);
  });

  it('a mean over patches that the backbone has not', () => {
    const [fault] = faultOf({ name: 'byol' }, { backbone: { name: 'resnet18', pool: 'mean' } })!;
    expect(fault).toMatchObject({ field: 'runs[0].backbone.pool' });
    expect(faultOf({ name: 'byol' }, { backbone: { name: 'vit-tiny', pool: 'mean' } })).toEqual([]);
  });

  it.each([['byol'], ['simclr'], ['simsiam'], ['moco-v2'], ['barlow-twins'], ['vicreg'], ['dino']])(
    '%s with its defaults works without labels, on every backbone',
    (name) => {
      for (const backbone of ['resnet18-narrow', 'mobilenet-v2', 'vit-tiny', 'vit-small'])
        expect(
          faultOf({ name }, { backbone: { name: backbone } }, { manifest: { ...manifest, classes: null } }),
        ).toEqual([]);
    },
  );
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

it('leaves the keys of trainings that ask for nothing new as they were', () => {
  const key = (more: object) =>
    plan(request(run('a', more))).stages.find(({ kind }) => kind === 'train')!.resultKey;
  expect(key({})).toBe('train:b044bdc2de5ed0196f1e765f113736d7bf9a80d44f22da225dd22136f83a40a6');
  for (const more of [
    { optimizer: { name: 'sgd' } },
    { optimizer: { scaling: 'linear' } },
    { optimizer: { decay: 'weights' } },
    { schedule: { name: 'cosine' } },
    { clip: { norm: 1 } },
    { accumulate: 2 },
    { ema: { schedule: 'cosine' } },
    { budget: { steps: 3 } },
    { validation: {} },
    { validation: {}, return: 'best' },
  ])
    expect(key(more), JSON.stringify(more)).not.toBe(key({}));
});

it('names the field of a training that cannot be, before any worker has begun', () => {
  const fields = (more: object, known: object = {}) => faultsOf(request(run('a', more)), known);
  expect(fields({ accumulate: 3 })).toEqual(['runs[0].accumulate']);
  expect(fields({ accumulate: 50 })).toEqual(['runs[0].accumulate']);
  expect(fields({ accumulate: 25 })).toEqual([]);
  expect(fields({ epochs: 3, schedule: { warmupEpochs: 4 } })).toEqual(['runs[0].schedule.warmupEpochs']);
  expect(fields({ epochs: 3, schedule: { warmupEpochs: 2 }, budget: { steps: 11 } })).toEqual([
    'runs[0].schedule.warmupEpochs',
  ]);
  expect(fields({ epochs: 3, schedule: { warmupEpochs: 3 } })).toEqual([]);
  expect(fields({ budget: { images: 49 } })).toEqual(['runs[0].budget.images']);
  // 50 images of 18 bytes in 300.
  expect(fields({ budget: { bytes: 2 } })).toEqual(['runs[0].budget.bytes']);
  expect(fields({ budget: { bytes: 3 } })).toEqual([]);
  expect(fields({ method: { name: 'supervised' }, ema: {} })).toEqual(['runs[0].ema']);
  expect(fields({ return: 'best' })).toEqual(['runs[0].return']);
  expect(fields({ validation: {} }, { manifest: { ...manifest, classes: null } })).toEqual([
    'runs[0].validation',
  ]);
  expect(fields({ batchSize: 250, validation: { fraction: 0.2 } })).toEqual(['runs[0].batchSize']);
});

const earlier = (more: object = {}, input: object = {}): EarlierRun => {
  const { name: _, ...training } = request(run('a', { epochs: 4, ...more })).runs[0]!;
  return {
    run: { id: 'run_1', name: 'a', status: 'succeeded' },
    resultKey: 'train:1',
    input: { kind: 'train', dataset: digest('d'), training, reduceKey: null, ...input },
    result: {
      ...{ kind: 'train', model: digest('m'), modelBytes: 1, width: 1, weights: digest('w') },
      ...{ weightsBytes: 1, seconds: 1 },
      ...{
        steps: 24,
        switchStep: null,
        flops: 1,
        finalLoss: 1,
        waitShare: 0,
        engine: 'compiled',
        kernels: {},
      },
      checkpoint: { step: 24, digest: digest('c'), bytes: 1 },
      endedBy: 'epochs',
    },
  };
};
const starting = (more: object, start: RunStart) => ({
  wanted: request(run('b', { continueFrom: 'run_1', ...more })),
  known: { starts: new Map([[0, start]]) },
});

it('goes on with a run of equal training for more epochs, from its last checkpoint', () => {
  const { wanted, known } = starting({ epochs: 9 }, { continueFrom: earlier() });
  const [train] = plan(wanted, known).stages;
  expect(train!.input).toMatchObject({ kind: 'train', continueFrom: digest('c') });
  expect((train!.input as { training: object }).training).not.toHaveProperty('continueFrom');
  expect(train!.resultKey).not.toBe(plan(request(run('b', { epochs: 9 }))).stages[0]!.resultKey);
});

it('refuses to go on with another training, on other data, for no longer, or with a run that is not there yet', () => {
  const fields = (more: object, start: EarlierRun) => {
    const { wanted, known } = starting(more, { continueFrom: start });
    return faultsOf(wanted, known);
  };
  expect(fields({ epochs: 9, seed: 1, batchSize: 40 }, earlier())).toEqual([
    'runs[0].batchSize',
    'runs[0].seed',
  ]);
  expect(fields({ epochs: 9, schedule: { name: 'cosine' } }, earlier())).toEqual([]);
  expect(fields({ epochs: 9, validation: {} }, earlier())).toEqual(['runs[0].validation']);
  expect(fields({ epochs: 9, validation: { patience: 2 } }, earlier({ validation: {} }))).toEqual([]);
  expect(fields({ epochs: 9 }, earlier({}, { dataset: digest('e') }))).toEqual(['runs[0].continueFrom']);
  expect(fields({ epochs: 9 }, earlier({}, { reduceKey: 'reduce:1' }))).toEqual(['prior']);
  expect(fields({ epochs: 4 }, earlier())).toEqual(['runs[0].epochs']);
  expect(fields({ epochs: 3 }, earlier())).toEqual(['runs[0].epochs']);
  expect(fields({ epochs: 9 }, { ...earlier(), result: null })).toEqual(['runs[0].continueFrom']);
  const { checkpoint: _, ...older } = earlier().result!;
  expect(fields({ epochs: 9 }, { ...earlier(), result: older })).toEqual(['runs[0].continueFrom']);
});

it('refuses to choose a prior for a job with a run that goes on, whether that run uses ReLA or not', () => {
  const candidates = [prior, { ...prior, id: 'pri_2', name: 'q', digest: digest('q') }];
  for (const rela of [null, {}]) {
    const { wanted, known } = starting({ epochs: 9, rela }, { continueFrom: earlier({ rela }) });
    const choosing = { ...wanted, prior: { auto: ['p', 'q'], sample: 64, seed: 0, by: 'score' as const } };
    expect(() => plan(choosing, { ...known, prior: null, candidates })).toThrow(
      /prior: cannot be chosen among several: runs\[0\] goes on with run run_1/,
    );
  }
});

it('starts from weights that fit, and refuses others and two beginnings', () => {
  const init = (difference: string | null) => ({ init: { weights: digest('w'), difference } });
  const wanted = request(run('b', { init: { run: 'run_1' } }));
  const [train] = plan(wanted, { starts: new Map([[0, init(null)]]) }).stages;
  expect(train!.input).toMatchObject({ init: digest('w') });
  expect(train!.resultKey).not.toBe(plan(request(run('b'))).stages[0]!.resultKey);
  expect(faultsOf(wanted, { starts: new Map([[0, init('tensor "x" is missing')]]) })).toEqual([
    'runs[0].init',
  ]);
  const both = starting({ init: { run: 'run_1' } }, { ...init(null), continueFrom: earlier() });
  expect(faultsOf(both.wanted, both.known)).toEqual(['runs[0].init']);
});

it('refuses targets of more dimensions than the images can span', () => {
  const { train } = manifest.splits;
  const few = (count: number) => ({
    manifest: { ...manifest, splits: { ...manifest.splits, train: { ...train, count } } },
  });
  const wanted = request(run('a', { rela: {} }), run('control'));
  expect(faultsOf(wanted, few(64))).toEqual(['runs[0].rela']);
  expect(faultsOf(wanted, few(65))).toEqual([]);
});

const other = { name: 'other', digest: digest('o'), manifest };

it('judges a run once more for every other data set and every share of the labels, each to be had again by its own key', () => {
  const evaluation = { transfer: ['o'], finetune: { shares: [0.1, 1] } };
  const transfers = new Map([['o', other]]);
  const evaluations = (wanted: object) =>
    plan(request(run('a', { evaluation: wanted })), { transfers }).stages.filter(
      ({ kind }) => kind === 'evaluate',
    );
  const stages = evaluations(evaluation);
  expect(stages.map(({ input }) => input.kind === 'evaluate' && input.task)).toEqual([
    undefined,
    { kind: 'transfer', name: 'other', dataset: digest('o') },
    { kind: 'finetune', share: 0.1 },
    { kind: 'finetune', share: 1 },
  ]);
  expect(stages.every(({ dependsOn }) => dependsOn[0] === 'train-0')).toBe(true);
  expect(new Set(stages.map(({ resultKey }) => resultKey)).size).toBe(4);
  const plain = evaluations({})[0]!;
  expect(stages[0]!.resultKey).toBe(plain.resultKey);
  const fewer = evaluations({ finetune: { shares: [1] } });
  expect(fewer[1]!.resultKey).toBe(stages[3]!.resultKey);
  expect(evaluations({ features: 'npy' })[0]!.resultKey).not.toBe(plain.resultKey);
});

it('names what a run cannot be judged by', () => {
  const faults = (evaluation: object, known: object = {}) =>
    faultsOf(request(run('a', { evaluation })), known);
  const transfers = (less: object) => ({
    transfers: new Map([['o', { ...other, manifest: { ...manifest, ...less } }]]),
  });
  const { train } = manifest.splits;
  const noTest = { splits: { train, test: null } };
  // 300 images of two classes: less than 2/300 of them is not one of each.
  expect(faults({ finetune: { shares: [0.1, 0.006, 0.007] } })).toEqual([
    'runs[0].evaluation.finetune.shares[1]',
  ]);
  expect(faults({ finetune: { shares: [0.1, 0.1] } })).toEqual(['runs[0].evaluation.finetune.shares[1]']);
  for (const less of [{ classes: null }, { classes: ['one'] }, noTest]) {
    expect(faults({ finetune: {} }, { manifest: { ...manifest, ...less } })).toEqual([
      'runs[0].evaluation.finetune',
    ]);
    expect(faults({ transfer: ['o'] }, transfers(less))).toEqual(['runs[0].evaluation.transfer[0]']);
  }
  expect(faults({ transfer: ['o', 'o'] }, transfers({}))).toEqual(['runs[0].evaluation.transfer[1]']);
  expect(faults({ knn: { k: 300 } })).toEqual([]);
  expect(faults({ knn: { k: 301 } })).toEqual(['runs[0].evaluation.knn.k']);
  expect(faults({ knn: { k: 301 } }, { manifest: { ...manifest, ...noTest } })).toEqual([]);
  const few = { splits: { ...manifest.splits, train: { ...train, count: 19 } } };
  expect(faults({ transfer: ['o'] }, transfers(few))).toEqual(['runs[0].evaluation.transfer[0]']);
});

it('makes targets without a run, as wide as the prior gives or as is asked for', () => {
  const targetsOnly = (targets: object) => JobCreate.parse({ dataset: 'd', prior: 'p', targets });
  const { stages, runs } = plan(targetsOnly({}));
  expect(runs).toEqual([]);
  expect(stages.map(({ ref }) => ref)).toEqual(['appraise', 'embed-0', 'embed-1', 'reduce-64']);
  expect(stages.at(-1)?.dependsOn).toEqual(['embed-0', 'embed-1']);
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

it('refuses to choose a prior by labels where there are none of two classes', () => {
  const wanted = (by: string) =>
    JobCreate.parse({ dataset: 'd', prior: { auto: ['p', 'q'], by }, runs: [run('a', { rela: {} })] });
  const candidates = [prior, { ...prior, digest: digest('q'), name: 'q' }];
  const faults = (by: string, classes: string[] | null) =>
    faultsOf(wanted(by), { prior: null, candidates, manifest: { ...manifest, classes } });
  for (const classes of [null, ['one']]) expect(faults('knn', classes)).toEqual(['prior.by']);
  expect(faults('knn', manifest.classes)).toEqual([]);
  expect(faults('score', null)).toEqual([]);
});
