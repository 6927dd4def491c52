/** Jobs whose runs have priors of their own: what is embedded and reduced, how often, and which runs need it. */
import { type Dataset, type DatasetManifest, expandMatrix, JobCreate, type Prior } from '@rela/contracts';
import { expect, it } from 'vitest';
import { planJob } from './plan.js';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const SHARDS = ['1', '2', '3'].map((letter) => ({ digest: digest(letter), count: 100, bytes: 9 }));
const manifest: DatasetManifest = {
  ...{ version: 1, classes: ['a', 'b'], channels: 1, imageSize: { height: 28, width: 28 } },
  ...{ mean: [0.3], std: [0.3] },
  splits: { train: { count: 300, shards: SHARDS }, test: { count: 50, shards: [] } },
};
const dataset = { id: 'ds_1', status: 'ready', digest: digest('d') } as Dataset;
const prior = (name: string, width = 64) =>
  ({ ...{ id: `pr_${name}`, name, digest: digest(name), model: digest(name) }, width }) as Prior;
const priors = new Map(['a', 'b', 'c'].map((name) => [name, prior(name)]));

const accelerated = { name: 'accelerated', method: { name: 'byol' }, batchSize: 50, rela: {} };
const control = { name: 'control', method: { name: 'byol' }, batchSize: 50 };

function plan(request: object, known: object = {}) {
  const { value } = expandMatrix({ dataset: 'd', runs: [accelerated, control], ...request });
  return planJob(JobCreate.parse(value), { dataset, manifest, prior: null, priors, ...known });
}
const count = ({ stages }: ReturnType<typeof plan>, kind: string) =>
  stages.filter((stage) => stage.kind === kind).length;

it('embeds each shard once a prior and reduces once a prior, whatever the number of runs', () => {
  const planned = plan({ matrix: { seed: [1, 2, 3], prior: ['a', 'b'], dataRatio: [0.5, 1] } });
  expect(planned.runs).toHaveLength(3 * 2 * 2 + 3 * 2);
  expect([count(planned, 'appraise'), count(planned, 'embed'), count(planned, 'reduce')]).toEqual([2, 6, 2]);
  expect([count(planned, 'train'), count(planned, 'evaluate')]).toEqual([18, 18]);
  expect(new Set(planned.stages.map(({ ref }) => ref)).size).toBe(planned.stages.length);
});

it('gives each run the targets of its own prior, and lets it wait for the others', () => {
  const { stages, runs, priorId } = plan({ matrix: { prior: ['a', 'b'] } });
  const reduces = stages.filter(({ kind }) => kind === 'reduce');
  expect(reduces.map(({ input }) => input.kind === 'reduce' && input.prior)).toEqual([
    digest('a'),
    digest('b'),
  ]);
  const [first, second, without] = stages.filter(({ kind }) => kind === 'train');
  const [a, b] = reduces.map(({ ref }) => ref);
  expect([first!.dependsOn, first!.after]).toEqual([[a], [b]]);
  expect([second!.dependsOn, second!.after]).toEqual([[b], [a]]);
  expect([without!.dependsOn, without!.after]).toEqual([[], [a, b]]);
  // Each embedding waits for the look at its own prior alone: one that is refused takes no other along.
  const embeds = stages.filter(({ kind }) => kind === 'embed');
  const waits = embeds.map(({ dependsOn }) =>
    dependsOn.map((ref) => stages.find((one) => one.ref === ref)!.input),
  );
  expect(waits.map(([look]) => look!.kind === 'appraise' && look!.name)).toEqual([
    'a',
    'a',
    'a',
    'b',
    'b',
    'b',
  ]);
  expect(runs.map((run) => run.prior)).toEqual(['pr_a', 'pr_b', undefined]);
  expect(priorId).toBeNull();
});

it('takes the same stages as a job that names the one prior', () => {
  const keys = ({ stages }: ReturnType<typeof plan>) => stages.map(({ resultKey }) => resultKey);
  const named = plan({ prior: 'a' }, { prior: prior('a') });
  expect(keys(plan({ matrix: { prior: ['a'] } }))).toEqual(keys(named));
  expect(plan({ matrix: { prior: ['a'] } }).priorId).toBe('pr_a');
  const both = plan(
    { prior: 'a', runs: [accelerated, { ...accelerated, name: 'own', prior: 'a' }] },
    { prior: prior('a') },
  );
  expect([count(both, 'embed'), count(both, 'reduce'), both.priorId]).toEqual([3, 1, 'pr_a']);
});

it('embeds once for a blend and for the runs that take a part of it alone', () => {
  const blend = [
    { prior: prior('a'), weight: 1 },
    { prior: prior('b'), weight: 2 },
  ];
  const own = ['a', 'b'].map((name) => ({ ...accelerated, name, prior: name }));
  const wanted = {
    prior: { blend: [{ prior: 'a' }, { prior: 'b', weight: 2 }] },
    runs: [accelerated, ...own],
  };
  const planned = plan(wanted, { blend });
  expect([count(planned, 'appraise'), count(planned, 'embed')]).toEqual([2, 6]);
  expect([count(planned, 'join'), count(planned, 'reduce'), planned.priorId]).toEqual([3, 3, null]);
  const refs = planned.stages.map(({ ref }) => ref);
  for (const { dependsOn, after } of planned.stages)
    for (const ref of [...dependsOn, ...after]) expect(refs).toContain(ref);
});

it('keeps the priors of runs for the plan that comes with a choice', () => {
  const runs = [accelerated, { ...accelerated, name: 'own', prior: 'c' }];
  const wanted = { prior: { auto: ['a', 'b'], sample: 64 }, runs };
  const { stages } = plan(wanted, { candidates: [prior('a'), prior('b')] });
  const choose = stages.find(({ kind }) => kind === 'choose')!;
  expect(choose.input).toMatchObject({
    priors: [{ reference: 'a' }, { reference: 'b' }, { reference: 'c' }],
  });
  expect(stages.some(({ kind }) => kind === 'embed')).toBe(false);
});

it('makes targets of every prior where none is the job’s', () => {
  const planned = plan({ matrix: { prior: ['a', 'b'] }, targets: { k: 8 } });
  expect(
    planned.stages.flatMap(({ input }) => (input.kind === 'reduce' ? [[input.prior, input.k]] : [])),
  ).toEqual([
    [digest('a'), 8],
    [digest('b'), 8],
    [digest('a'), 64],
    [digest('b'), 64],
  ]);
});

it('refuses two runs whose priors are one under two names, and a run that has none', () => {
  const faultsOf = (request: object, known: object = {}) => {
    try {
      plan(request, known);
    } catch (error) {
      return (error as { errors: { field: string; message: string }[] }).errors;
    }
    return [];
  };
  const twoNames = new Map([...priors, ['teacher', prior('a')]]);
  expect(faultsOf({ matrix: { prior: ['a', 'teacher'] } }, { priors: twoNames })).toEqual([
    {
      field: 'runs[1].prior',
      message: '"teacher" is the same prior as "a" of runs[0].prior; name each one once',
    },
  ]);
  const runs = [
    { ...accelerated, prior: 'a' },
    { ...accelerated, name: 'lost' },
  ];
  expect(faultsOf({ runs })).toMatchObject([{ field: 'prior', message: expect.stringContaining('"lost"') }]);
});
