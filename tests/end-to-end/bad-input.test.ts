/** Bad input gets a clear answer, and nothing is lost by it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RelaApiError } from '@rela/sdk';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addRandomPrior, addShapes, shortRun, startService, type TestService } from '../service.js';
import { writeShapes } from '../shapes.js';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addShapes(service, 'shapes');
  await addRandomPrior(service, 'random');
});
afterAll(() => service?.close());

async function refusal(attempt: Promise<unknown>): Promise<RelaApiError['problem']> {
  const error = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RelaApiError)) throw new Error(`Expected a problem, got ${String(error)}`);
  return error.problem;
}
const submit = (body: object) => refusal(service.client.jobs.create(body as never));

it('an unknown dataset is named', async () => {
  expect(await submit({ dataset: 'shaeps', runs: [shortRun('a')] })).toMatchObject({
    code: 'not-found',
    detail: expect.stringContaining('shaeps'),
  });
});

it('an unknown prior is named', async () => {
  expect(
    await submit({ dataset: 'shapes', prior: 'nobody', runs: [shortRun('a', { rela: {} })] }),
  ).toMatchObject({
    code: 'not-found',
    detail: expect.stringContaining('nobody'),
  });
});

it('a field with a typo is named with the nearest valid one', async () => {
  const problem = await submit({ dataset: 'shapes', runs: [{ ...shortRun('a'), dataRatoi: 0.5 }] });
  expect(problem.code).toBe('invalid-request');
  expect(problem.errors).toEqual([
    { field: 'runs[0].dataRatoi', message: expect.stringContaining('"dataRatio"') },
  ]);
});

it('a data ratio of 0 or of 1.5 is refused', async () => {
  for (const dataRatio of [0, 1.5])
    expect(
      (await submit({ dataset: 'shapes', runs: [shortRun('a', { dataRatio })] })).errors?.[0]?.field,
    ).toBe('runs[0].dataRatio');
});

it('ReLA without a prior is refused by field', async () => {
  expect((await submit({ dataset: 'shapes', runs: [shortRun('a', { rela: {} })] })).errors?.[0]?.field).toBe(
    'prior',
  );
});

it('fewer images than a batch are refused with both numbers', async () => {
  const problem = await submit({ dataset: 'shapes', runs: [shortRun('a', { batchSize: 300 })] });
  expect(problem.errors?.[0]).toMatchObject({
    field: 'runs[0].batchSize',
    message: expect.stringMatching(/300.*256/),
  });
});

it('a file that is not ONNX is refused, and it is said what it looks like', async () => {
  const png = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  const { digest } = await service.client.artifacts.upload(png);
  const problem = await refusal(
    service.client.priors.create({ name: 'png', source: { kind: 'artifact', digest } }),
  );
  expect(problem).toMatchObject({
    code: 'invalid-model',
    status: 422,
    detail: expect.stringMatching(/PNG/i),
  });
});

it('an output name that does not exist is refused with those that do', async () => {
  const { client } = service;
  const prior = (await client.priors.list()).items[0]!;
  const problem = await refusal(client.priors.create({ name: 'x', source: prior.source, output: 'feature' }));
  expect(problem).toMatchObject({ code: 'invalid-model', detail: expect.stringContaining('features') });
});

it('an image that does not decode is counted and named; above the tolerance the dataset fails', async () => {
  const { client, folder } = service;
  const images = join(folder, 'pictures');
  await writeShapes(images, { count: 1 });
  for (let index = 0; index < 9; index++)
    await sharp({ create: { width: 16, height: 16, channels: 3, background: { r: index * 20, g: 0, b: 0 } } })
      .png()
      .toFile(join(images, `good-${index}.png`));
  await writeFile(join(images, 'broken.png'), 'this is no image');
  const source = { kind: 'folder' as const, path: images };
  const strict = await client.datasets.create({ name: 'strict', source });
  await expect(client.datasets.waitUntilReady(strict.id)).rejects.toThrow(/broken\.png/);
  const lenient = await client.datasets.create({ name: 'lenient', source, tolerance: 0.2 });
  const ready = await client.datasets.waitUntilReady(lenient.id);
  expect(ready.train).toBe(9);
  expect(ready.undecodable).toMatchObject({
    count: 1,
    examples: [{ name: expect.stringContaining('broken.png') }],
  });
});

it('a dataset of one image fails with a reason', async () => {
  const { client, folder } = service;
  const train = await writeShapes(join(folder, 'one'), { count: 1 });
  const { id } = await client.datasets.create({ name: 'one', source: { kind: 'idx', train } });
  await expect(client.datasets.waitUntilReady(id)).rejects.toThrow(/one training image only/);
});

it('supervised training on one class is refused by field', async () => {
  const { client, folder } = service;
  const train = await writeShapes(join(folder, 'uniform'), { count: 64, classes: 1 });
  const { id } = await client.datasets.create({ name: 'uniform', source: { kind: 'idx', train } });
  await client.datasets.waitUntilReady(id);
  const problem = await submit({
    dataset: 'uniform',
    runs: [shortRun('a', { method: { name: 'supervised' } })],
  });
  expect(problem.errors?.[0]).toMatchObject({
    field: 'runs[0].method',
    message: expect.stringContaining('one'),
  });
});

it('the same POST twice is one job', async () => {
  const { client } = service;
  const body = { dataset: 'shapes', runs: [shortRun('twice', { epochs: 1 })] };
  const post = () =>
    fetch(`${service.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'the-same' },
      body: JSON.stringify(body),
    });
  const [first, second] = [await post(), await post()];
  expect(first.status).toBe(202);
  const ids = [((await first.json()) as { id: string }).id, ((await second.json()) as { id: string }).id];
  expect(ids[0]).toBe(ids[1]);
  expect(first.headers.get('location')).toBe(`/v1/jobs/${ids[0]}`);
  expect((await client.jobs.wait(ids[0]!)).status).toBe('succeeded');
});

it('a loss that is no number fails the run with its step and the last finite loss; the other run goes on', async () => {
  const { client } = service;
  const wild = shortRun('wild', {
    method: { name: 'supervised' },
    epochs: 20,
    optimizer: { learningRate: 10, weightDecay: 1 },
  });
  const job = await client.jobs.wait(
    (await client.jobs.create({ dataset: 'shapes', runs: [wild, shortRun('calm', { epochs: 1 })] })).id,
  );
  expect(job.status).toBe('failed');
  const [failed, calm] = await Promise.all(job.runs.map(({ id }) => client.runs.get(id)));
  expect(failed!.error).toMatch(/step \d+.*not finite.*last finite loss was .* at step \d+/);
  expect(calm!.status).toBe('succeeded');
});
