/** Priors are looked at before they are used: what carries nothing is refused, and of several candidates one is chosen. */
import type { Job, Prior } from '@rela/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildModel, type ModelSpec } from '../../packages/prior/src/testing/model-builder.js';
import { smallNet } from '../../packages/prior/src/testing/models.js';
import { rela } from '../rela.js';
import { addRandomPrior, addShapes, shortRun, startService, type TestService } from '../service.js';

const net = (batch: number | 'N') => smallNet({ channels: 1, height: 16, width: 16, batch });
const outputs = (name: string, batch: number | 'N' = 'N') => [{ name, shape: [batch, 6] }];

/**
 * A small network; one that draws its output anew, with images that come one by one, so that it was not refused when it was
 * registered; and one that has collapsed: what is left of its features is rounding.
 */
const MODELS: Record<string, ModelSpec> = {
  small: { ...net('N'), outputs: outputs('features') },
  noise: {
    ...net(1),
    outputs: outputs('drawn', 1),
    nodes: [...net(1).nodes, { op: 'RandomNormalLike', inputs: ['features'], outputs: ['drawn'] }],
  },
  collapsed: {
    ...net('N'),
    outputs: outputs('left'),
    nodes: [
      ...net('N').nodes,
      { op: 'Mul', inputs: ['features', 'tiny'], outputs: ['scaled'] },
      { op: 'Add', inputs: ['scaled', 'one'], outputs: ['left'] },
    ],
    tensors: [
      ...net('N').tensors!,
      { name: 'tiny', dims: [1], data: Float32Array.of(3e-7) },
      { name: 'one', dims: [1], data: Float32Array.of(1) },
    ],
  },
};

let service: TestService;
const priors: Record<string, Prior> = {};
beforeAll(async () => {
  service = await startService();
  await addShapes(service, 'shapes');
  await addRandomPrior(service, 'random');
  const { client } = service;
  for (const [name, model] of Object.entries(MODELS)) {
    const { digest } = await client.artifacts.upload(buildModel(model));
    priors[name] = await client.priors.create({ name, source: { kind: 'artifact', digest } });
  }
});
afterAll(() => service?.close());

type JobInput = Parameters<TestService['client']['jobs']['create']>[0];

const runs = () => [
  shortRun('accelerated', { rela: {}, epochs: 1, dataRatio: 0.5 }),
  shortRun('control', { epochs: 1, dataRatio: 0.5 }),
];

async function ended(input: Omit<JobInput, 'dataset'>): Promise<Job> {
  const { client } = service;
  return client.jobs.wait((await client.jobs.create({ dataset: 'shapes', runs: runs(), ...input })).id);
}

const stagesOf = (job: Job) =>
  Object.fromEntries(job.stages.map(({ kind, succeeded, reused }) => [kind, { succeeded, reused }]));

it.each([
  ['noise', 'not a function of the image'],
  ['collapsed', 'the same for all of 64 images'],
])('refuses the prior "%s" before it embeds or trains on it; the control trains', async (name, reason) => {
  const job = await ended({ prior: name });
  expect(job).toMatchObject({ status: 'failed', error: expect.stringContaining(reason) });
  expect(job.runs.map(({ status }) => status)).toEqual(['failed', 'succeeded']);
  expect(stagesOf(job)).toMatchObject({ embed: { succeeded: 0 } });
});

it('uses an untrained network, and a small one with a warning where the request is strict', async () => {
  const job = await ended({ prior: 'random' });
  expect(job).toMatchObject({ status: 'succeeded', choice: null });
  expect(job.appraisals).toMatchObject([{ name: 'random', images: 64, refused: null, repeatability: 1 }]);
  const warned = await ended({ prior: 'small', gates: { minEffectiveRank: 6 } });
  expect(warned.status).toBe('succeeded');
  expect(warned.warnings).toEqual([expect.stringMatching(/Prior "small": .*effective rank/)]);
  const refused = await ended({ prior: 'small', gates: { minEffectiveRank: 6, flagged: 'refuse' } });
  expect(refused).toMatchObject({ status: 'failed', error: expect.stringContaining('effective rank') });
});

it('blends two priors into one target set, and reuses what each has embedded', async () => {
  const blend = [{ prior: 'random', weight: 2 }, { prior: 'small' }];
  const job = await ended({ prior: { blend } });
  expect(job).toMatchObject({ status: 'succeeded', priorId: null });
  expect(job.appraisals.map(({ name }) => name)).toEqual(['random', 'small']);
  expect(stagesOf(job)).toMatchObject({
    ...{ embed: { succeeded: 8, reused: 8 }, join: { succeeded: 4, reused: 0 }, reduce: { succeeded: 1 } },
  });
  const refused = await ended({ prior: { blend: [{ prior: 'random' }, { prior: 'collapsed' }] } });
  expect(refused.error).toContain('Prior "collapsed" carries nothing');
});

it('a run on a blend goes on by one command, with the same priors and weights', async () => {
  const job = await ended({ prior: { blend: [{ prior: 'random', weight: 2 }, { prior: 'small' }] } });
  expect(job.blend!.map(({ weight }) => weight)).toEqual([2, 1]);
  const { code, stdout } = await rela(
    ...['--home', service.service.home, '--json', 'runs', 'continue', job.runs[0]!.id, '--epochs', '2'],
  );
  expect(code).toBe(0);
  const continued = await service.client.jobs.wait((JSON.parse(stdout) as Job).id);
  expect(continued).toMatchObject({ status: 'succeeded', blend: job.blend });
  expect(stagesOf(continued)).toMatchObject({ embed: { reused: 8 }, reduce: { reused: 1 } });
});

let chosen: Job;
it('chooses among candidates, says why, and trains with the one that it took', async () => {
  chosen = await ended({ prior: { auto: ['small', 'noise', 'random'], sample: 128 } });
  expect(chosen.status).toBe('succeeded');
  const { choice, priorId } = chosen;
  expect(choice!.candidates.map(({ name }) => name)).toEqual(['small', 'random', 'noise']);
  expect(choice!.candidates[2]).toMatchObject({
    refused: expect.stringContaining('not a function'),
    score: null,
  });
  const [small, random] = choice!.candidates;
  // The labels, which the score does not see, agree.
  expect(small!.knn).toBeGreaterThan(random!.knn!);
  for (const { score, distance, reached, knn, secondsPerImage } of [small!, random!]) {
    for (const share of [score, distance, reached, knn]) {
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    }
    expect(secondsPerImage).toBeGreaterThan(0);
  }
  expect(choice!.reason).toMatch(/^score .*noise is refused/);
  expect((await service.client.priors.get(priorId!)).name).toBe('small');
  expect(stagesOf(chosen)).toMatchObject({ appraise: { succeeded: 3 }, embed: { succeeded: 4 } });
  const [accelerated] = await Promise.all(chosen.runs.map(({ id }) => service.client.runs.get(id)));
  expect(accelerated!.result!.priorSeconds).toBeGreaterThan(0);
});

it('names the choice on the command line', async () => {
  const { stdout } = await rela('--url', service.url, 'jobs', 'show', chosen.id);
  expect(stdout).toMatch(/chosen\s+small: score/);
  expect(stdout).toMatch(/noise.*refused/);
});

it('makes the same choice of the same sample, and takes every result that exists', async () => {
  const again = await ended({ prior: { auto: ['small', 'noise', 'random'], sample: 128 } });
  expect(again.choice).toEqual(chosen.choice);
  const reused = again.stages.filter(({ kind }) => kind !== 'choose');
  expect(reused.every((stage) => stage.reused === stage.total)).toBe(true);
  const named = await ended({ prior: 'small' });
  expect(stagesOf(named)).toMatchObject({
    embed: { reused: 4 },
    reduce: { reused: 1 },
    train: { reused: 1 },
  });
});

it('fails where no candidate is of use, and lets the control train', async () => {
  const job = await ended({ prior: { auto: ['noise', 'collapsed'] } });
  expect(job.error).toContain('No candidate carries anything to learn from');
  expect(job.runs.map(({ status }) => status)).toEqual(['failed', 'succeeded']);
});

const targetsAlone = (prior: JobInput['prior'], targets: JobInput['targets'] = {}) =>
  ended({ prior, targets, runs: [] });
const targetsOf = async ({ id }: Job) => (await service.client.targets.list({ job: id })).items;

it('chooses a prior for targets alone, and they are those of the prior that it took', async () => {
  const job = await targetsAlone({ auto: ['small', 'noise', 'random'], sample: 128 });
  expect(job).toMatchObject({ status: 'succeeded', runs: [], error: null });
  expect(job.choice!.candidates[2]).toMatchObject({ name: 'noise', score: null });
  expect(job.stages.map(({ kind }) => kind)).toEqual(['appraise', 'choose', 'embed', 'reduce']);
  const taken = Object.values(priors).find(({ digest }) => digest === job.choice!.prior)?.name ?? 'random';
  expect(job.choice!.name).toBe(taken);
  const [targets] = await targetsOf(job);
  const [named] = await targetsOf(await targetsAlone(taken));
  expect(targets).toMatchObject({ status: 'succeeded', prior: job.choice!.prior, runIds: [], k: named!.k });
  expect(targets!.digest).toBe(named!.digest);
  const narrow = await targetsAlone({ auto: ['small', 'random'], sample: 128 }, { k: 4 });
  expect(await targetsOf(narrow)).toMatchObject([{ k: 4, status: 'succeeded' }]);
});

it('blends priors into targets alone, as wide as all of them together', async () => {
  const job = await targetsAlone({ blend: [{ prior: 'random' }, { prior: 'small' }] });
  expect(job).toMatchObject({ status: 'succeeded', runs: [], priorId: null });
  expect(job.stages.map(({ kind }) => kind)).toEqual(['appraise', 'embed', 'join', 'reduce']);
  const [targets] = await targetsOf(job);
  expect(targets).toMatchObject({ status: 'succeeded', k: 128 + 6, count: 256, runIds: [] });
  const folder = `${service.folder}/blend`;
  const command = ['targets', 'export', job.id, '--format', 'npy', '--no-labels', '-o', folder];
  const got = await rela('--home', service.service.home, '--json', ...command);
  expect(got.code, got.stderr).toBe(0);
  expect(JSON.parse(got.stdout)).toMatchObject({ k: 134, count: 256, targets: targets!.digest });
});

it('says of targets that no candidate was good enough for why there are none', async () => {
  const job = await targetsAlone({ auto: ['noise', 'collapsed'], sample: 64 });
  expect(job).toMatchObject({ status: 'failed', error: expect.stringContaining('No candidate carries') });
  const { stderr } = await rela(
    ...['--url', service.url, 'targets', 'export', job.id, '--format', 'npy', '-o', service.folder],
  );
  expect(stderr).toMatch(/are not made: the stage choose failed: .*No candidate carries/);
});

it('refuses targets alone that are wider than the narrowest candidate gives', async () => {
  const wide = service.client.jobs.create({
    ...{ dataset: 'shapes', prior: { auto: ['small', 'random'] }, targets: { k: 7 } },
  });
  await expect(wide).rejects.toMatchObject({ problem: { errors: [{ field: 'targets.k' }] } });
});

it('refuses to choose a prior where a run goes on with another, and says what to name', async () => {
  const [finished] = chosen.runs;
  const going = shortRun('longer', { rela: {}, epochs: 2, dataRatio: 0.5, continueFrom: finished!.id });
  const wanted = (prior: JobInput['prior']) => ({ dataset: 'shapes', prior, runs: [going] });
  const refused = service.client.jobs.create(wanted({ auto: ['small', 'random'] }));
  await expect(refused).rejects.toMatchObject({
    problem: {
      errors: [
        { field: 'prior', message: expect.stringContaining(`runs[0] goes on with run ${finished!.id}`) },
      ],
    },
  });
  // With the prior that was chosen it goes on.
  const job = await service.client.jobs.create(wanted(chosen.choice!.name));
  expect(await service.client.jobs.wait(job.id)).toMatchObject({ status: 'succeeded', error: null });
});

it.each([
  [{ auto: ['small'] }, 'prior'],
  [{ auto: ['small', 'small'] }, 'prior.auto[1]'],
  [{ auto: ['small', 'random'], sample: 3 }, 'prior.sample'],
  [{ blend: [{ prior: 'small' }, { prior: 'small', weight: 2 }] }, 'prior.blend[1].prior'],
])('refuses %j by field', async (prior, field) => {
  const refused = service.client.jobs.create({ dataset: 'shapes', runs: runs(), prior });
  await expect(refused).rejects.toMatchObject({
    problem: { errors: [{ field: expect.stringContaining(field) }] },
  });
});
