import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PriorModel, ProblemError } from '@rela/contracts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Embedder, openEmbedder } from './embedder.js';
import type { DecodedImage } from './image.js';
import { type InspectOptions, inspectPrior } from './inspect.js';
import { inputLength, preprocess } from './preprocess.js';
import { SessionLost } from './session.js';
import { buildModel, type ModelSpec } from './testing/model-builder.js';
import { FEATURES, seeded, smallNet } from './testing/models.js';
import { mapChannelsLast, residualNet, secretlyBatchOne, tokenNet } from './testing/models-by-exporters.js';

const digest = `sha256:${'0'.repeat(64)}`;
let folder: string;
const opened: Embedder[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-prior-'));
});
afterAll(async () => {
  await Promise.all(opened.map((embedder) => embedder.dispose()));
  await rm(folder, { recursive: true });
});

function images(count: number, channels: 1 | 3 = 3, side = 12): DecodedImage[] {
  const random = seeded(7);
  return Array.from({ length: count }, () => {
    const data = Uint8Array.from({ length: side * side * channels }, () => Math.floor((random() + 1) * 128));
    return { data, height: side, width: side, channels };
  });
}

interface Opened {
  embedder: Embedder;
  prior: PriorModel;
  model: Uint8Array;
}

async function open(spec: ModelSpec, options: InspectOptions & { batch?: number } = {}): Promise<Opened> {
  const bytes = buildModel(spec);
  const inspected = await inspectPrior(bytes, options);
  const model = inspected.model ?? bytes;
  const path = join(folder, `${opened.length}.onnx`);
  await writeFile(path, model);
  const prior: PriorModel = { ...inspected, digest, model: digest };
  const embedder = await openEmbedder(path, prior, {
    threads: 1,
    ...(options.batch === undefined ? {} : { batch: options.batch }),
  });
  opened.push(embedder);
  return { embedder, prior, model };
}

async function all(embedder: Embedder, source: Iterable<DecodedImage>): Promise<number[]> {
  const rows: number[] = [];
  for await (const part of embedder.embed(source)) rows.push(...part);
  return rows;
}

/** One image after the other, straight through ONNX Runtime; the output as it comes. */
async function directly({ prior, model }: Opened, source: DecodedImage[]): Promise<Tensor[]> {
  const session = await InferenceSession.create(model);
  const { height, width, channels, layout, dtype } = prior.preprocessing;
  const size = prior.batch ?? 1;
  const results: Tensor[] = [];
  for (const image of source) {
    const length = size * inputLength(prior.preprocessing);
    const data = dtype === 'uint8' ? new Uint8Array(length) : new Float32Array(length);
    preprocess(image, prior.preprocessing, data, 0);
    const dims = layout === 'nchw' ? [size, channels, height, width] : [size, height, width, channels];
    results.push((await session.run({ [prior.input]: new Tensor(dtype, data, dims) }))[prior.output]!);
  }
  await session.release();
  return results;
}

function expectClose(actual: number[], expected: number[], tolerance = 1e-5): void {
  expect(actual.length).toBe(expected.length);
  for (const [index, value] of actual.entries())
    expect(Math.abs(value - expected[index]!)).toBeLessThan(tolerance);
}

describe('embeddings', () => {
  it('equal a direct run of ONNX Runtime, over several batches and a part of one', async () => {
    const prior = await open(residualNet(), { output: '/Flatten', batch: 4 });
    const source = images(10, 3, 20);
    const direct = (await directly(prior, source)).flatMap((tensor) => [...(tensor.data as Float32Array)]);
    expectClose(await all(prior.embedder, source), direct);
  });

  it('are the same whatever the batch: any, fixed, or one by one', async () => {
    const source = images(11);
    const expected = await all((await open(smallNet(), { output: 'features' })).embedder, source);
    for (const spec of [
      smallNet({ batch: 4 }),
      smallNet({ batch: 16 }),
      smallNet({ batch: 1 }),
      secretlyBatchOne(),
    ]) {
      const output = spec.outputs[0]?.shape ? 'features' : 'logits';
      expectClose(await all((await open(spec, { output })).embedder, source), expected);
    }
  });

  it('are the same for channels-first and channels-last twins', async () => {
    const source = images(5);
    const first = await all((await open(smallNet())).embedder, source);
    expectClose(await all((await open(smallNet({ layout: 'nhwc' }))).embedder, source), first);
  });

  it('are feature maps averaged over positions and tokens averaged over the sequence', async () => {
    const source = images(5);
    const pooled = await all((await open(smallNet(), { output: 'features' })).embedder, source);
    for (const prior of [
      await open(smallNet(), { output: 'map' }),
      await open(mapChannelsLast()),
      await open(tokenNet()),
    ])
      expectClose(await all(prior.embedder, source), pooled);
  });

  it('take grey images into a colour prior, and colour images into a grey one', async () => {
    for (const [channels, other] of [
      [1, 3],
      [3, 1],
    ] as const) {
      const prior = await open(smallNet({ channels }));
      const source = images(3, other, 17);
      const direct = (await directly(prior, source)).flatMap((tensor) => [...(tensor.data as Float32Array)]);
      expectClose(await all(prior.embedder, source), direct);
    }
  });

  it('come from byte inputs too', async () => {
    const prior = await open(smallNet({ type: 'uint8', layout: 'nhwc' }), { output: 'features', batch: 2 });
    const source = images(5);
    const direct = (await directly(prior, source)).flatMap((tensor) => [...(tensor.data as Float32Array)]);
    expectClose(await all(prior.embedder, source), direct, 1e-3);
  });

  it('of no image are none', async () => {
    expect(await all((await open(smallNet())).embedder, [])).toEqual([]);
  });
});

describe('an embedder', () => {
  it('takes the images of the next batch while one runs, and holds no more than two batches', async () => {
    const { embedder } = await open(smallNet(), { output: 'features', batch: 4 });
    const [image] = images(1);
    let taken = 0;
    let given = 0;
    let most = 0;
    function* many() {
      for (; taken < 1000; taken++) yield image!;
    }
    for await (const rows of embedder.embed(many())) {
      most = Math.max(most, taken - given);
      given += rows.length / FEATURES;
    }
    expect(given).toBe(1000);
    expect(most).toBeGreaterThan(4);
    expect(most).toBeLessThanOrEqual(8);
  });

  it('can be left in the middle and used again', async () => {
    const { embedder } = await open(smallNet(), { batch: 2 });
    const source = images(9);
    const expected = await all(embedder, source);
    for await (const rows of embedder.embed(source)) {
      expect(rows.length).toBeGreaterThan(0);
      break;
    }
    expectClose(await all(embedder, source), expected);
  });

  it('serves two readers at once', async () => {
    const { embedder } = await open(smallNet(), { batch: 2 });
    const source = images(9);
    const expected = await all(embedder, source);
    const both = await Promise.all([all(embedder, source), all(embedder, [...source].reverse())]);
    expectClose(both[0]!, expected);
    expectClose(both[1]!.slice(0, 4), expected.slice(-4));
  });

  it('names the image whose embedding is not finite', async () => {
    const logarithm: ModelSpec = {
      inputs: smallNet().inputs,
      outputs: [{ name: 'logarithms' }],
      nodes: [
        { op: 'GlobalAveragePool', inputs: ['images'], outputs: ['brightness'] },
        { op: 'Flatten', inputs: ['brightness'], outputs: ['flat'] },
        { op: 'Log', inputs: ['flat'], outputs: ['logarithms'] },
      ],
    };
    const preprocessing = { scale: 'byte' as const, mean: [0, 0, 0], std: [1, 1, 1] };
    const { embedder } = await open(logarithm, { preprocessing });
    const source = images(70);
    source[66]!.data.fill(0);
    await expect(all(embedder, source)).rejects.toThrow('-Infinity for image 66');
    source[66]!.data.fill(1);
    expect(await all(embedder, source)).toHaveLength(70 * 3);
  });

  it('fails what is under way when it is disposed of', async () => {
    const { embedder } = await open(smallNet(), { batch: 2 });
    await embedder.dispose();
    await expect(all(embedder, images(4))).rejects.toBeInstanceOf(SessionLost);
  });

  it('refuses a file that ONNX Runtime does not take', async () => {
    const { prior } = await open(smallNet());
    const path = join(folder, 'broken.onnx');
    await writeFile(path, 'no model');
    await expect(openEmbedder(path, prior, { threads: 1 })).rejects.toBeInstanceOf(ProblemError);
  });
});
