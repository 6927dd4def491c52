import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine } from '@rela/engine';
import { inMemory, knnPredict } from '@rela/learning';
import { createRandom } from '@rela/random';
import { openStore } from '@rela/storage';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FeatureFile } from './feature-file.js';
import { trainProbe } from './probe.js';

const WIDTH = 6;
const CLASSES = 3;

let folder: string;
let engine: Engine;
const opened: FeatureFile[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-features-'));
  engine = await createEngine({ engine: 'compiled' });
});
afterAll(async () => {
  for (const file of opened) await file.close();
  await engine.dispose();
  await rm(folder, { recursive: true, force: true });
});

function table(count: number, seed: number) {
  const random = createRandom(seed, 'features');
  const labels = Int32Array.from({ length: count }, () => random.int(CLASSES + 1) - 1);
  const features = Float32Array.from({ length: count * WIDTH }, (_, at) => {
    const label = labels[Math.floor(at / WIDTH)]!;
    return random.normal() + (at % WIDTH === label ? 2 : 0);
  });
  return { features, labels, width: WIDTH };
}

/** Written in pieces, as an embedder gives them. */
async function onDisk({ features, labels }: ReturnType<typeof table>): Promise<FeatureFile> {
  const file = await FeatureFile.create(folder, labels.length, WIDTH);
  opened.push(file);
  for (let at = 0; at < features.length; at += 7 * WIDTH) file.append(features.subarray(at, at + 7 * WIDTH));
  file.labels.set(labels);
  return file;
}

it('gives rows back in any order', async () => {
  const all = table(40, 1);
  const file = await onDisk(all);
  const rows = Uint32Array.of(39, 3, 4, 5, 0, 0);
  const into = new Float32Array(rows.length * WIDTH);
  file.read(rows, into);
  const expected = new Float32Array(into.length);
  await inMemory(all).read(rows, expected);
  expect(into).toEqual(expected);
  expect(() => file.read(Uint32Array.of(40), into)).toThrow(RangeError);
});

it('gives kNN and the probe the numbers that memory gives them', async () => {
  const [train, test] = [table(5000, 2), table(700, 3)];
  const judge = async (trained: FeatureFile | ReturnType<typeof inMemory>, tested: typeof trained) => ({
    votes: await knnPredict({
      ...{ engine, train: trained, test: tested, classes: CLASSES, k: 20, temperature: 0.07 },
    }),
    probe: await trainProbe(
      {
        ...{ trained, tested, classes: CLASSES, epochs: 4, learningRate: 0.01, batchSize: 128, seed: 5 },
        engine,
      },
      { signal: new AbortController().signal, progress: () => undefined },
    ),
  });
  const fromDisk = await judge(await onDisk(train), await onDisk(test));
  expect(fromDisk).toEqual(await judge(inMemory(train), inMemory(test)));
  expect(fromDisk.probe.accuracy).toBeGreaterThan(0.6);
});

it('becomes npy files in the store, and has left no file behind while it is open', async () => {
  const all = table(10, 4);
  const file = await onDisk(all);
  expect((await readdir(folder)).filter((name) => name.startsWith('features-'))).toEqual([]);
  const store = openStore(join(folder, 'store'));
  const { features, labels } = await file.storeNpy(store, {});
  const bytes = await store.read(features.digest);
  const header = 10 + bytes[8]! + 256 * bytes[9]!;
  expect(header % 64).toBe(0);
  expect(Buffer.from(bytes.subarray(0, 6)).toString('latin1')).toBe('\x93NUMPY');
  expect(Buffer.from(bytes.subarray(10, header)).toString('latin1')).toContain("'shape': (10, 6)");
  expect(new Float32Array(Uint8Array.from(bytes.subarray(header)).buffer)).toEqual(all.features);
  expect((await store.read(labels.digest)).length).toBe(labels.bytes);
});

it('becomes a Parquet file that gives back every float and label, and leaves none beside it', async () => {
  const all = table(10, 5);
  const file = await onDisk(all);
  const store = openStore(join(folder, 'store'));
  const rowsOf = async (classes: string[] | null) => {
    const { digest, bytes } = await file.storeParquet(classes, store, {});
    const parquet = await asyncBufferFromFile(await store.localPath(digest));
    expect(parquet.byteLength).toBe(bytes);
    return { parquet, rows: await parquetReadObjects({ file: parquet }) };
  };
  const { parquet, rows } = await rowsOf(['a', 'b', 'c']);
  expect(rows.map(({ index }) => Number(index))).toEqual([...all.labels.keys()]);
  expect(rows.map(({ label }) => label)).toEqual([...all.labels].map((label) => (label < 0 ? null : label)));
  expect(all.labels).toContain(-1);
  expect(Float32Array.from(rows.flatMap(({ feature }) => feature as number[]))).toEqual(all.features);
  const { key_value_metadata: said } = await parquetMetadataAsync(parquet);
  expect(JSON.parse(said!.find(({ key }) => key === 'huggingface')!.value!).info.features).toEqual({
    index: { dtype: 'int64', _type: 'Value' },
    label: { names: ['a', 'b', 'c'], _type: 'ClassLabel' },
    feature: { feature: { dtype: 'float32', _type: 'Value' }, _type: 'Sequence' },
  });
  expect(Object.keys((await rowsOf(null)).rows[0]!)).toEqual(['index', 'feature']);
  expect((await readdir(folder)).filter((name) => name.startsWith('features-'))).toEqual([]);
});
