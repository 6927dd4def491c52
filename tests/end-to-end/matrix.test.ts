/** A matrix of seeds and priors in one job, through the whole service: embedded once a prior, trained once a combination. */
import type { Job, Run } from '@rela/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rela } from '../rela.js';
import { addShapes, shortRun, startService, type TestService } from '../service.js';

let service: TestService;
let job: Job;
let runs: Run[];

const shards = 3;
const matrix = { seed: [1, 2], prior: ['first', 'second'] };
const bare = () => ({ epochs: 1, evaluation: { probe: { epochs: 1 } } });
const wanted = () => ({
  dataset: 'shapes',
  runs: [shortRun('accelerated', { ...bare(), rela: {} }), shortRun('control', bare())],
  matrix,
});

beforeAll(async () => {
  service = await startService();
  const { client } = service;
  await addShapes(service, 'shapes', 64 * shards);
  for (const [seed, name] of matrix.prior.entries())
    await client.priors.create({
      name,
      source: {
        kind: 'random',
        backbone: { name: 'resnet18-narrow', stem: 'standard' },
        imageSize: 16,
        channels: 1,
        seed,
      },
    });
  job = await client.jobs.wait((await client.jobs.create(wanted())).id);
  runs = await Promise.all(job.runs.map(({ id }) => client.runs.get(id)));
});
afterAll(() => service?.close());

it('makes a run of every combination, the control once a seed', () => {
  expect(job).toMatchObject({ status: 'succeeded', error: null, priorId: null });
  expect(job.runs.map(({ name }) => name)).toEqual([
    'accelerated seed=1 prior=first',
    'accelerated seed=1 prior=second',
    'accelerated seed=2 prior=first',
    'accelerated seed=2 prior=second',
    'control seed=1',
    'control seed=2',
  ]);
});

it('embeds every shard once a prior and reduces once a prior', () => {
  const made = Object.fromEntries(
    job.stages.map(({ kind, total, succeeded, reused }) => [kind, { total, succeeded, reused }]),
  );
  expect(made).toMatchObject({
    appraise: { total: 2, succeeded: 2, reused: 0 },
    embed: { total: 2 * shards, succeeded: 2 * shards, reused: 0 },
    reduce: { total: 2, succeeded: 2, reused: 0 },
  });
  expect(job.stages.filter(({ kind }) => kind === 'train')).toHaveLength(6);
  expect(job.appraisals.map(({ name }) => name)).toEqual(matrix.prior);
});

it('trains each run on the targets of its own prior, and charges it for those alone', async () => {
  const { client } = service;
  const { items } = await client.targets.list({ job: job.id });
  expect(items).toHaveLength(2);
  for (const name of matrix.prior) {
    const { id, digest } = await client.priors.get(name);
    const own = runs.filter(({ spec }) => spec.prior === id);
    expect(own.map((run) => run.name)).toEqual(
      [1, 2].map((seed) => `accelerated seed=${seed} prior=${name}`),
    );
    const targets = items.find((one) => one.prior === digest)!;
    expect([...targets.runIds].sort()).toEqual(own.map(({ id: run }) => run).sort());
    const seconds = own.map(({ result }) => result!.priorSeconds);
    expect(seconds[0]).toBeGreaterThan(0);
    expect(seconds[1]).toBe(seconds[0]);
  }
  expect(new Set(runs.map(({ result }) => result!.model)).size).toBe(6);
  expect(runs.filter(({ spec }) => spec.rela === null).map(({ result }) => result!.priorSeconds)).toEqual([
    0, 0,
  ]);
});

it('takes every result that exists where the same matrix is submitted again', async () => {
  const { client } = service;
  const again = await client.jobs.wait((await client.jobs.create(wanted())).id);
  expect(again.stages.every(({ total, reused }) => reused === total)).toBe(true);
});

it('a run of a matrix goes on by one command, with its own prior', async () => {
  const [run] = runs;
  const { code, stdout, stderr } = await rela(
    '--url',
    service.url,
    '--json',
    'runs',
    'continue',
    run!.id,
    '--epochs',
    '2',
  );
  expect(code, stderr).toBe(0);
  const longer = await service.client.jobs.wait((JSON.parse(stdout) as Job).id);
  expect(longer).toMatchObject({ status: 'succeeded', priorId: run!.spec.prior, error: null });
});

it('refuses what does not fit by the fields that were written', async () => {
  const { client } = service;
  const refused = (more: object) =>
    client.jobs.create({ ...wanted(), ...more }).then(String, (error) => error.problem);
  expect(await refused({ matrix: { ...matrix, batchSize: [32, 4096] } })).toMatchObject({
    code: 'invalid-request',
    errors: [{ field: 'matrix.batchSize[1]' }],
  });
  expect(await refused({ matrix: { prior: ['first', 'secnd'] } })).toMatchObject({
    code: 'not-found',
    errors: [{ field: 'matrix.prior[1]', message: expect.stringContaining('did you mean "second"') }],
  });
  expect(await refused({ matrix: { seed: [1, -1] } })).toMatchObject({
    errors: [{ field: 'matrix.seed[1]' }],
  });
  expect(await refused({ matrix: { seed: [] } })).toMatchObject({ errors: [{ field: 'matrix.seed' }] });
  expect(await refused({ matrix: { seeds: [1] } })).toMatchObject({
    errors: [{ field: 'matrix.seeds', message: expect.stringContaining('did you mean "seed"') }],
  });
  const { digest } = await client.priors.get('first');
  expect(await refused({ matrix: { prior: ['first', digest] } })).toMatchObject({
    errors: [{ field: 'matrix.prior[1]', message: expect.stringContaining('matrix.prior[0]') }],
  });
});
