/** What the tests of this package read: folders that go away, IDX files, images made by sharp, artifacts in memory or on disk. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatasetCreate } from '@rela/contracts';
import sharp from 'sharp';
import { type Header, pack } from 'tar-stream';
import { onTestFinished } from 'vitest';
import type { z } from 'zod';
import { type Ingested, type IngestOptions, ingest } from '../ingest/ingest.js';
import type { SourceImage, SourceSplit } from '../readers/source.js';

/** What answers requests on a free port of this machine until the test ends. @returns its address, with a slash */
export async function webServer(answer: RequestListener): Promise<string> {
  const http = createServer(answer);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
}

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

/** The bytes of an npy file, version 1.0. `type` is a literal of its own where it is not `isName`. */
export function npy(type: string, shape: number[], values: ArrayLike<number>, isName = true): Buffer {
  const descr = isName ? `'${type}'` : type;
  const text = `{'descr': ${descr}, 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const prefix = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 255, length >> 8]);
  return Buffer.concat([prefix, Buffer.from(`${text.padEnd(length - 1)}\n`), Uint8Array.from(values)]);
}

/** A zip archive (APPNOTE 6.3): members one after the other, then the list of them. */
export function zip(
  members: Record<string, Uint8Array>,
  pack: ((bytes: Uint8Array) => Uint8Array) | null,
): Buffer {
  const bodies: Buffer[] = [];
  const list: Buffer[] = [];
  let at = 0;
  for (const [name, bytes] of Object.entries(members)) {
    const packed = pack ? pack(bytes) : bytes;
    const about = Buffer.alloc(26);
    about.writeUInt16LE(20, 0);
    about.writeUInt16LE(pack ? 8 : 0, 4);
    about.writeUInt32LE(crc32(bytes), 10);
    about.writeUInt32LE(packed.length, 14);
    about.writeUInt32LE(bytes.length, 18);
    about.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), about, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at, 10);
    list.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), about, rest, Buffer.from(name)]));
    bodies.push(local);
    at += local.length;
  }
  const central = Buffer.concat(list);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(list.length, 8);
  end.writeUInt16LE(list.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...bodies, central, end]);
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A tar archive of these members, in order. */
export async function tar(
  members: readonly { name: string; bytes?: Uint8Array | string; header?: Partial<Header> }[],
) {
  const archive = pack();
  for (const { name, bytes = '', header } of members)
    archive.entry({ name, ...header }, typeof bytes === 'string' ? bytes : Buffer.from(bytes));
  archive.finalize();
  const parts: Uint8Array[] = [];
  for await (const part of archive) parts.push(part as Uint8Array);
  return Buffer.concat(parts);
}

/** All images of a split, one after the other. */
export async function allOf(split: SourceSplit): Promise<SourceImage[]> {
  const images: SourceImage[] = [];
  for await (const image of split.images()) images.push(image);
  return images;
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
  source: z.input<typeof DatasetCreate>['source'],
  more: Partial<Omit<DatasetCreate, 'source'>> &
    Partial<Pick<IngestOptions, 'onProgress' | 'maxPixels' | 'allowPrivateAddresses'>> = {},
): Promise<Ingested & ArtifactFolder> {
  const { onProgress, maxPixels = 1e6, allowPrivateAddresses = false, ...create } = more;
  const artifacts = artifactsIn(join(folder, 'artifacts'));
  const ingested = await ingest({
    dataset: DatasetCreate.parse({ name: 'test', source, ...create }),
    cacheFolder: join(folder, 'cache'),
    maxPixels,
    allowPrivateAddresses,
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
  // Test images have no class that training has not.
  const classes = Math.min(10, count);
  const pair = async (name: string, images: number, seed: number) => ({
    images: await put(
      join(folder, `${name}-images`),
      idx([images, side, side], noise(images * side * side, seed)),
    ),
    labels: await put(
      join(folder, `${name}-labels`),
      idx(
        [images],
        Array.from({ length: images }, (_, index) => index % classes),
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
