/** What the tests of this package read: folders that go away, IDX files, images made by sharp, artifacts in memory or on disk. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatasetCreate } from '@rela/contracts';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';
import { type Ingested, type IngestOptions, ingest } from '../ingest/ingest.js';

/** A folder that is removed when the test ends. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-datasets-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function put(path: string, bytes: Uint8Array | string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return path;
}

/** The bytes of an IDX file of unsigned bytes. */
export function idx(sizes: number[], values: ArrayLike<number>): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.set([0, 0, 8, sizes.length]);
  for (const [index, size] of sizes.entries()) header.writeUInt32BE(size, 4 + 4 * index);
  return Buffer.concat([header, Uint8Array.from(values)]);
}

/** Values 0 to 255 that look random and are the same every time. */
export function noise(count: number, seed = 1): Uint8Array {
  let state = seed >>> 0;
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** A picture of noise as PNG. */
export async function png(height: number, width: number, channels: 1 | 3, seed = 1): Promise<Buffer> {
  const raw = { height, width, channels };
  const image = sharp(noise(height * width * channels, seed), { raw });
  return (channels === 1 ? image.toColourspace('b-w') : image).png().toBuffer();
}

export interface ArtifactFolder {
  write(bytes: Uint8Array): Promise<{ digest: string; bytes: number }>;
  resolve(digest: string): Promise<string>;
}

/** Artifacts as files of a folder, as a store keeps them. */
export function artifactsIn(folder: string): ArtifactFolder {
  const pathOf = (digest: string) => join(folder, digest.replace(':', '-'));
  return {
    async write(bytes) {
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      await put(pathOf(digest), bytes);
      return { digest, bytes: bytes.length };
    },
    resolve: async (digest) => pathOf(digest),
  };
}

/** Ingests into `folder`/artifacts. */
export async function ingestInto(
  folder: string,
  source: DatasetCreate['source'],
  more: Partial<Omit<DatasetCreate, 'source'>> &
    Partial<Pick<IngestOptions, 'onProgress' | 'maxPixels'>> = {},
): Promise<Ingested & ArtifactFolder> {
  const { onProgress, maxPixels = 1e6, ...create } = more;
  const artifacts = artifactsIn(join(folder, 'artifacts'));
  const ingested = await ingest({
    dataset: DatasetCreate.parse({ name: 'test', source, ...create }),
    cacheFolder: join(folder, 'cache'),
    maxPixels,
    write: artifacts.write,
    signal: new AbortController().signal,
    ...(onProgress ? { onProgress } : {}),
  });
  return { ...ingested, ...artifacts };
}

/** A grey data set of `count` images of noise, ten classes, 16 test images. */
export async function noiseDataset(
  folder: string,
  options: { count: number; side: number; shardSize: number },
): Promise<Ingested & ArtifactFolder> {
  const { count, side, shardSize } = options;
  const pair = async (name: string, images: number, seed: number) => ({
    images: await put(
      join(folder, `${name}-images`),
      idx([images, side, side], noise(images * side * side, seed)),
    ),
    labels: await put(
      join(folder, `${name}-labels`),
      idx(
        [images],
        Array.from({ length: images }, (_, index) => index % 10),
      ),
    ),
  });
  const source = {
    kind: 'idx',
    train: await pair('train', count, 1),
    test: await pair('test', 16, 2),
  } as const;
  return ingestInto(folder, source, { shardSize });
}
