import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PriorInput, RelaApiError } from '@rela/sdk';
import { createRandomPrior } from '@rela/stages';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { collect } from '../testing/collect.js';
import { startService, type TestService } from '../testing/service.js';
import { saveModel, smallNetwork } from '../testing/tfjs-model.js';
import { addReadyDataset, smallJob, workOff } from '../testing/work.js';

const random = {
  kind: 'random' as const,
  backbone: { name: 'resnet18-narrow' as const },
  imageSize: 16,
  channels: 1 as const,
  seed: 3,
};
let service: TestService;
let onnx: Uint8Array;
beforeAll(async () => {
  service = await startService();
  onnx = await createRandomPrior({ ...random, backbone: { ...random.backbone, stem: 'auto' } });
});
afterAll(() => service.close());

async function refusal(input: PriorInput) {
  const error: unknown = await service.client.priors.create(input).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RelaApiError);
  return (error as RelaApiError).problem;
}

it('makes a prior of a backbone that was never trained', async () => {
  const prior = await service.client.priors.create({ name: 'untrained', source: random });
  expect(prior).toMatchObject({ name: 'untrained', width: 128, preprocessing: { height: 16, channels: 1 } });
  expect(await service.client.priors.get('untrained')).toEqual(prior);
  expect(await service.client.priors.get(prior.digest)).toEqual(prior);
});

it('makes the same prior of the same model, wherever it comes from', async () => {
  const path = join(service.folder, 'prior.onnx');
  await writeFile(path, onnx);
  const { digest } = await service.client.artifacts.upload(onnx);
  await addReadyDataset(service, 'digits');
  const job = await service.client.jobs.create(smallJob('digits'));
  await workOff(service, job.id, onnx);
  const run = await service.client.runs.get(job.runs[0]!.id);
  const sources: PriorInput['source'][] = [
    { kind: 'path', path },
    { kind: 'artifact', digest },
    { kind: 'model', digest: run.result!.model! },
    random,
  ];
  const digests = new Set<string>();
  for (const source of sources) {
    const prior = await service.client.priors.create({ name: `from ${source.kind}`, source });
    expect(prior.source).toMatchObject({ kind: source.kind });
    digests.add(prior.digest);
  }
  expect(digests.size).toBe(1);
  const names = (await collect(service.client.priors.all({ limit: 2 }))).map((prior) => prior.name);
  expect(names.slice(0, 4)).toEqual(['from random', 'from model', 'from artifact', 'from path']);
});

it('makes the same prior of a TF.js model that is uploaded file by file and of its folder on the server', async () => {
  const folder = join(service.folder, 'tfjs');
  await saveModel(smallNetwork(12), folder);
  const names = (await readdir(folder)).sort();
  await mkdir(join(folder, 'checkpoints'));
  await writeFile(join(folder, '.hidden'), 'no part of the model');
  const files = await service.client.artifacts.uploadFolder(folder);
  expect(Object.keys(files)).toEqual(names);
  const sources: PriorInput['source'][] = [
    { kind: 'tfjs', files },
    { kind: 'path', path: folder },
    { kind: 'path', path: join(folder, 'model.json') },
  ];
  const digests = new Set<string>();
  for (const [at, source] of sources.entries()) {
    const prior = await service.client.priors.create({ name: `network ${at}`, source, output: 'features' });
    expect(prior).toMatchObject({ source, input: 'images', output: 'features', width: 8, batch: null });
    digests.add(prior.digest);
  }
  expect(digests.size).toBe(1);

  const both = await refusal({ name: 'network', source: sources[0]! });
  expect(both.detail).toMatch(/2 outputs: "features" .*"classes"/);
  const { 'group1-shard2of5.bin': _, ...incomplete } = files;
  const missing = await refusal({ name: 'network', source: { kind: 'tfjs', files: incomplete } });
  expect(missing.detail).toContain('1 is missing: group1-shard2of5.bin');
});

it('refuses files of a TF.js model under other than plain names', async () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  for (const name of ['../model.json', '/etc/passwd', 'a\\b', 'https://host', '..', '']) {
    const problem = await refusal({ name: 'odd', source: { kind: 'tfjs', files: { [name]: digest } } });
    expect(problem).toMatchObject({ status: 400, code: 'invalid-request' });
  }
  const unknown = await refusal({ name: 'odd', source: { kind: 'tfjs', files: { 'model.json': digest } } });
  expect(unknown).toMatchObject({ code: 'not-found', errors: [{ field: 'source.files.model.json' }] });
});

it('refuses a file that is not ONNX, saying what it is', async () => {
  const { digest } = await service.client.artifacts.upload(
    new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0]),
  );
  const problem = await refusal({ name: 'picture', source: { kind: 'artifact', digest } });
  expect(problem).toMatchObject({ status: 422, code: 'invalid-model' });
  expect(problem.detail).toContain('PNG');
});

it('refuses an output that the model does not have, and lists those that it has', async () => {
  const { output } = await service.client.priors.get('untrained');
  const problem = await refusal({ name: 'odd', source: random, output: 'nothing-of-the-kind' });
  expect(problem.code).toBe('invalid-model');
  expect(problem.detail).toContain(output);
});

it('says why a file on the server cannot be read', async () => {
  const folder = join(service.folder, 'a folder');
  await mkdir(folder);
  for (const [path, reason] of [
    [join(service.folder, 'absent.onnx'), 'there is no such file'],
    [folder, 'it is a folder without model.json, so no TF.js model'],
    ['/dev/zero', 'it is not a file'],
  ] as const) {
    const problem = await refusal({ name: 'file', source: { kind: 'path', path } });
    expect(problem).toMatchObject({ status: 400, code: 'invalid-request' });
    expect(problem.errors).toEqual([{ field: 'source.path', message: reason }]);
    expect(problem.detail).toContain(path);
  }
});

it('names a digest that nothing has', async () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  for (const kind of ['artifact', 'model'] as const) {
    const problem = await refusal({ name: 'none', source: { kind, digest } });
    expect(problem.code).toBe('not-found');
    expect(problem.detail).toContain(digest);
  }
});
