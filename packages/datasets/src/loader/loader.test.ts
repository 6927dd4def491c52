/** The loader with real threads (of the package's build), on real shards and target files. */
import { readFile, writeFile } from 'node:fs/promises';
import type { DatasetManifest, ViewRecipe } from '@rela/contracts';
import { createRandom } from '@rela/random';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeShard } from '../shards/format.js';
import { openSplit } from '../shards/split.js';
import {
  type ArtifactFolder,
  artifactsIn,
  noise,
  noiseDataset,
  png,
  testFolder,
} from '../testing/fixtures.js';
import { cropped } from '../testing/recipes.js';
import { createViewer, viewKey } from '../views/viewer.js';
import { type Batch, createLoader, type Loader, type LoaderOptions } from './loader.js';
import type { TargetShards } from './messages.js';

const K = 3;
const SIDE = 8;
const MILD = [cropped(SIDE), cropped(SIDE)];
const STRONG = [cropped(SIDE, { flip: 0.5, solarize: 0.5 }), cropped(SIDE, { blur: { p: 1, kernel: 3 } })];
/** As DINO has them: two large views and small ones. */
const MIXED = [...STRONG, cropped(5), cropped(4), cropped(5)];
const SINGLE: ViewRecipe[] = [cropped(SIDE, { crop: { kind: 'padded', padding: 1 } })];

interface Data extends ArtifactFolder {
  manifest: DatasetManifest;
  targets: TargetShards;
}

/** 60 images in shards of 16; the target of image i is (i, i + 0.25, −i), in shards of 25. */
async function data(): Promise<Data> {
  const made = await noiseDataset(await testFolder(), { count: 60, side: 10, shardSize: 16 });
  const shards = [];
  for (let first = 0; first < 60; first += 25) {
    const count = Math.min(25, 60 - first);
    const rows = Float32Array.from({ length: count }, (_, row) => first + row);
    const values = Float32Array.from([...rows].flatMap((index) => [index, index + 0.25, -index]));
    shards.push({ digest: (await made.write(new Uint8Array(values.buffer))).digest, count });
  }
  return { ...made, targets: { k: K, shards } };
}

function* batches(epochs: number, size = 8): Generator<{ epoch: number; indices: Uint32Array }> {
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = createRandom(3, 'order', epoch).permutation(60);
    for (let at = 0; at + size <= 60; at += size) yield { epoch, indices: order.slice(at, at + size) };
  }
}

function open({ manifest, resolve, targets }: Data, options: Partial<LoaderOptions> = {}): Loader {
  const loader = createLoader({
    manifest,
    resolve,
    targets,
    batches: batches(2),
    batchSize: 8,
    views: MILD,
    seed: 5,
    ...options,
  });
  onTestFinished(() => loader.close());
  return loader;
}

/** All batches, copied before they are released. */
async function drain(loader: Loader, each: (batch: Batch, number: number) => void = () => undefined) {
  const all = [];
  for (let batch = await loader.next(); batch; batch = await loader.next()) {
    each(batch, all.length);
    const { epoch, indices, views, targets, labels } = batch;
    all.push({
      epoch,
      indices: [...indices],
      views: views.map((view) => Buffer.from(view.slice().buffer)),
      targets: targets && [...targets],
      labels: [...labels],
    });
    loader.release(batch);
  }
  return all;
}

describe('a loader', () => {
  it('gives the batches that were asked for: views, targets and labels of each image', async () => {
    const made = await data();
    const all = await drain(open(made, { views: MIXED }));
    expect(all.map(({ epoch, indices }) => ({ epoch, indices }))).toEqual(
      [...batches(2)].map(({ epoch, indices }) => ({ epoch, indices: [...indices] })),
    );
    const split = await openSplit(made.manifest, 'train', made.resolve);
    const viewer = createViewer(made.manifest);
    for (const { epoch, indices, targets, labels, views } of all)
      for (const [row, index] of indices.entries()) {
        expect(targets!.slice(row * K, row * K + K)).toEqual([index, index + 0.25, -index]);
        expect(labels[row]).toBe(index % 10);
        for (const [place, recipe] of MIXED.entries()) {
          const random = createRandom(5, ...viewKey(epoch, index, place + 1));
          const expected = new Float32Array(recipe.size ** 2);
          viewer.draw(await split.decode(index), recipe, random, expected, 0);
          const bytes = views[place]!.subarray(row * expected.byteLength, (row + 1) * expected.byteLength);
          expect(bytes.equals(Buffer.from(expected.buffer))).toBe(true);
        }
      }
    await split.close();
  });

  it('gives the same bits with one thread and with three', async () => {
    const made = await data();
    const one = await drain(open(made, { threads: 1, views: MIXED }));
    const three = await drain(open(made, { threads: 3, views: MIXED, ahead: 5 }));
    expect(three).toEqual(one);
  });

  it('gives other views from the next batch on, more or fewer, whatever was made ahead', async () => {
    const made = await data();
    for (const others of [STRONG, MIXED, SINGLE]) {
      const loader = open(made, { threads: 2 });
      const changed = await drain(loader, (_, number) => {
        if (number === 4) loader.setViews(others);
      });
      const mild = await drain(open(made));
      const other = await drain(open(made, { views: others }));
      expect(changed).toEqual([...mild.slice(0, 5), ...other.slice(5)]);
      expect(other[0]!.views.map(({ length }) => length)).toEqual(
        others.map(({ size }) => 8 * size ** 2 * 4),
      );
    }
  });

  it('starts in the middle of a run with the same batches', async () => {
    const made = await data();
    const rest = [...batches(2)].slice(9);
    expect(await drain(open(made, { batches: rest }))).toEqual((await drain(open(made))).slice(9));
  });

  it('takes batches smaller than announced, also smaller than the number of threads', async () => {
    const made = await data();
    const small = [
      { epoch: 0, indices: Uint32Array.of(3, 4) },
      { epoch: 0, indices: Uint32Array.of(59) },
    ];
    const all = await drain(open(made, { batches: small, threads: 3 }));
    expect(all.map(({ labels, targets }) => ({ labels, targets }))).toEqual([
      { labels: [3, 4], targets: [3, 3.25, -3, 4, 4.25, -4] },
      { labels: [9], targets: [59, 59.25, -59] },
    ]);
  });

  it('runs ahead of a slow consumer by a fixed number of batches', async () => {
    const made = await data();
    let taken = 0;
    function* counted() {
      for (const batch of batches(100)) {
        taken++;
        yield batch;
      }
    }
    const loader = open(made, { batches: counted(), ahead: 3, threads: 2 });
    const arrays = new Set<ArrayBufferLike>();
    for (let number = 1; number <= 50; number++) {
      const batch = await loader.next();
      arrays.add(batch!.views[0]!.buffer);
      expect(taken).toBe(number + 3);
      loader.release(batch!);
    }
    expect(arrays.size).toBe(1);
  });

  it('gives plain memory that stays as it is until it is released', async () => {
    const loader = open(await data());
    const first = await loader.next();
    const before = [...first!.views[0]!];
    expect(first!.views[0]!.buffer).toBeInstanceOf(ArrayBuffer);
    for (let number = 0; number < 5; number++) await loader.next();
    expect([...first!.views[0]!]).toEqual(before);
  });

  it('works without targets and without labels', async () => {
    const folder = artifactsIn(await testFolder());
    const blob = noise(64);
    const { digest, bytes } = await folder.write(
      encodeShard([1, 2].map(() => ({ blob, shape: [8, 8, 1], label: null, name: null }))),
    );
    const { manifest } = await data();
    const unlabelled: DatasetManifest = {
      ...manifest,
      classes: null,
      splits: { train: { count: 2, shards: [{ digest, bytes, count: 2 }] }, test: null },
    };
    const [batch] = await drain(
      open(
        { manifest: unlabelled, ...folder, targets: { k: 0, shards: [] } },
        { targets: null, batches: [{ epoch: 0, indices: Uint32Array.of(1, 0) }] },
      ),
    );
    expect(batch).toMatchObject({ targets: null, labels: [-1, -1] });
  });
});

describe('a loader that cannot go on', () => {
  it('names the image that does not decode, at its batch', async () => {
    const folder = artifactsIn(await testFolder());
    const good = { blob: await png(8, 8, 1), shape: null, label: 0 };
    const written = await folder.write(
      encodeShard([
        { ...good, name: 'good.png' },
        { blob: noise(50), shape: null, label: 0, name: 'cats/broken.png' },
        { blob: noise(50), shape: null, label: 0, name: 'cats/second.png' },
      ]),
    );
    const { manifest } = await data();
    const loader = open(
      {
        manifest: {
          ...manifest,
          splits: { train: { count: 3, shards: [{ ...written, count: 3 }] }, test: null },
        },
        ...folder,
        targets: { k: 0, shards: [] },
      },
      {
        targets: null,
        batches: [[0], [1, 2]].map((indices) => ({ epoch: 0, indices: Uint32Array.from(indices) })),
      },
    );
    await expect(loader.next()).resolves.toMatchObject({ labels: Int32Array.of(0) });
    await expect(loader.next()).rejects.toMatchObject({
      name: 'ProblemError',
      code: 'invalid-data',
      detail: expect.stringContaining('cats/broken.png'),
    });
  });

  it('says that targets end too soon', async () => {
    const made = await data();
    const path = await made.resolve(made.targets.shards[2]!.digest);
    await writeFile(path, (await readFile(path)).subarray(0, 10));
    await expect(drain(open(made))).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringMatching(/targets .* end/),
    });
  });

  it('passes on why an artifact is not there', async () => {
    const made = await data();
    const loader = open(made, { resolve: () => Promise.reject(new Error('storage does not answer')) });
    await expect(loader.next()).rejects.toThrow('storage does not answer');
  });

  it('refuses a batch larger than announced, after the good ones before it', async () => {
    const asked = [2, 9].map((size) => ({ epoch: 0, indices: new Uint32Array(size) }));
    const loader = open(await data(), { batches: asked });
    await expect(loader.next()).resolves.toMatchObject({ epoch: 0 });
    await expect(loader.next()).rejects.toThrow('a batch of 9 images; at most 8 were announced');
  });

  it('ends a call that waits when it is closed', async () => {
    const made = await data();
    const loader = open(made, { resolve: () => new Promise(() => undefined) });
    const waiting = loader.next();
    await loader.close();
    await expect(waiting).resolves.toBeNull();
    await expect(loader.next()).resolves.toBeNull();
  });
});
