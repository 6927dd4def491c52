/** Weight files between this service and PyTorch, as users have them: downloaded and loaded there, made there and trained from here. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Run } from '@rela/contracts';
import type { HostTensors } from '@rela/engine';
import { createRandom } from '@rela/random';
import { RelaApiError } from '@rela/sdk';
import { decodeTensors, encodeTensors } from '@rela/stages';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rela } from '../rela.js';
import { addShapes, type RunInput, shortRun, startService, type TestService } from '../service.js';
import { findTorch, runPython } from '../torch/torch.js';

const SCRIPT = fileURLToPath(new URL('../parity/state_dict.py', import.meta.url));
const IMAGES = 8;
const WORK = { model: 'resnet18-narrow', stem: 'standard', size: 16, channels: 1 };
/** A step of it moves no weight, so that the run hands out what it began with; running statistics move. */
const STILL: Partial<RunInput> = { optimizer: { name: 'sgd', learningRate: 1e-30 }, budget: { steps: 1 } };

const python = await findTorch();
const name = python ? '' : ' (no Python with PyTorch here)';

let service: TestService;
let trained: Run;
/** Of the weights that PyTorch reads and writes. */
let folder: string;

beforeAll(async () => {
  service = await startService();
  folder = join(service.folder, 'weights');
  await mkdir(folder);
  await addShapes(service, 'shapes');
  trained = await runOf(
    shortRun('trained', { method: { name: 'supervised' }, validation: { fraction: 0.3 } }),
  );
});
afterAll(() => service?.close());

const submit = (run: RunInput) => service.client.jobs.create({ dataset: 'shapes', runs: [run] });

async function runOf(wanted: RunInput): Promise<Run> {
  const { client } = service;
  const { status, error, runs } = await client.jobs.wait((await submit(wanted)).id);
  expect({ status, error }).toEqual({ status: 'succeeded', error: null });
  return client.runs.get(runs[0]!.id);
}

async function download(id: string, file: string, ...more: string[]): Promise<HostTensors> {
  const path = join(folder, file);
  const got = await rela('--home', service.service.home, 'runs', 'weights', id, '-o', path, ...more);
  expect(got.code, got.stderr).toBe(0);
  return decodeTensors(await readFile(path)).tensors;
}

async function fieldsRefused(run: RunInput): Promise<string[]> {
  const error: unknown = await submit(run).catch((reason) => reason);
  if (!(error instanceof RelaApiError)) throw new Error(`Expected a problem, got ${String(error)}`);
  return error.problem.errors!.map(({ field, message }) => `${field}: ${message}`);
}

const upload = async (tensors: HostTensors) =>
  (await service.client.artifacts.upload(Buffer.concat([...encodeTensors(tensors)]))).digest;

it('a run hands out its weights by name: what it returned, the last and the best', async () => {
  const { result } = trained;
  const [returned, last, best] = [
    await download(trained.id, 'ours.safetensors'),
    await download(trained.id, 'last.safetensors', '--of', 'last'),
    await download(trained.id, 'best.safetensors', '--of', 'best'),
  ];
  expect(result!.weights).toBe(result!.lastWeights);
  expect(returned).toEqual(last);
  expect(Object.keys(best)).toEqual(Object.keys(last));
  const response = await fetch(`${service.url}/v1/artifacts/${result!.weights}`, { method: 'HEAD' });
  expect(response.headers.get('content-disposition')).toMatch(/\.safetensors"$/);
});

it.skipIf(!python)(
  `the weights that were downloaded give in PyTorch the features of the model${name}`,
  async () => {
    await download(trained.id, 'ours.safetensors');
    const model = join(folder, 'model.onnx');
    await service.client.models.download(trained.result!.model!, model);
    const random = createRandom(3);
    const images = Float32Array.from({ length: IMAGES * WORK.size ** 2 }, () => random.normal());
    await writeFile(join(folder, 'work.json'), JSON.stringify(WORK));
    await writeFile(join(folder, 'images.bin'), images);
    await runPython(python!, SCRIPT, [folder]);
    const session = await InferenceSession.create(model);
    const { features } = await session.run({
      images: new Tensor('float32', images, [IMAGES, WORK.channels, WORK.size, WORK.size]),
    });
    await session.release();
    const theirs = new Float32Array((await readFile(join(folder, 'ours.bin'))).buffer);
    const ours = features!.data as Float32Array;
    expect(theirs.length).toBe(IMAGES * 128);
    expect(Math.max(...theirs)).toBeGreaterThan(0.1);
    expect(Math.max(...ours.map((value, at) => Math.abs(value - theirs[at]!)))).toBeLessThan(1e-4);
  },
);

it.skipIf(!python)(
  `a run starts from a classifier that PyTorch made, without its head and its counters${name}`,
  async () => {
    const path = join(folder, 'theirs.safetensors');
    const { digest } = await service.client.artifacts.upload(path);
    const started = await runOf(shortRun('theirs', { ...STILL, init: { artifact: digest } }));
    const after = await download(started.id, 'after.safetensors');
    const { tensors: theirs } = decodeTensors(await readFile(path));
    const beside = Object.keys(theirs).filter((key) => !(key in after));
    expect(beside.filter((key) => !key.endsWith('num_batches_tracked'))).toEqual(['fc.weight', 'fc.bias']);
    for (const [key, { data }] of Object.entries(after))
      if (!key.includes('running_')) expect([key, data]).toEqual([key, theirs[key]!.data]);
    // And one that does move trains from there.
    const trainedFrom = await runOf(shortRun('from theirs', { init: { artifact: digest }, epochs: 1 }));
    expect(trainedFrom.result).toMatchObject({ steps: 8 });
    expect(trainedFrom.result!.weights).not.toBe(started.result!.weights);
  },
);

it("another run's weights are the start that they were, and are the same file as an upload of them", async () => {
  const ours = await download(trained.id, 'ours.safetensors');
  const byRun = await runOf(shortRun('by run', { ...STILL, init: { run: trained.id } }));
  const byFile = shortRun('by file', { ...STILL, init: { artifact: await upload(ours) } });
  const after = await download(byRun.id, 'again.safetensors');
  for (const [key, { data }] of Object.entries(after))
    if (!key.includes('running_')) expect([key, data]).toEqual([key, ours[key]!.data]);
  expect((await runOf(byFile)).result!.weights).toBe(byRun.result!.weights);
});

it('weights that do not fit are refused before anything is trained, naming the tensor', async () => {
  const ours = await download(trained.id, 'ours.safetensors');
  const init = async (tensors: HostTensors) => ({ init: { artifact: await upload(tensors) } });
  const wider = { backbone: { name: 'resnet18' as const, stem: 'standard' as const } };
  expect(await fieldsRefused(shortRun('a', { ...wider, init: { run: trained.id } }))).toEqual([
    expect.stringMatching(
      /^runs\[0\]\.init: .*"conv1\.weight" is float32 \[16, 1, 7, 7\]; in resnet18 it is float32 \[64, 1, 7, 7\]/,
    ),
  ]);
  const counts = { ...ours, 'bn1.bias': { dtype: 'int32' as const, shape: [16], data: new Int32Array(16) } };
  expect(await fieldsRefused(shortRun('b', await init(counts)))).toEqual([
    expect.stringMatching(/^runs\[0\]\.init: .*"bn1\.bias" is int32 \[16\]; .* it is float32 \[16\]/),
  ]);
  const half = (await readFile(join(folder, 'ours.safetensors'))).subarray(0, -1000);
  const { digest } = await service.client.artifacts.upload(half);
  expect(await fieldsRefused(shortRun('c', { init: { artifact: digest } }))).toEqual([
    expect.stringMatching(/^runs\[0\]\.init\.artifact: .*does not lie where the header says/),
  ]);
});
