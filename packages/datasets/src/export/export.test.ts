/** Exports of targets: what is in the files, what happens when one is cut short, and what is refused. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ProblemError } from '@rela/contracts';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import sharp from 'sharp';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { encodeShard, type ShardImage } from '../shards/format.js';
import { type ExportOptions, exportTargets } from './export.js';
import { bucketPlace, folderPlace, type WritableBucket } from './export-place.js';
import type { ExportSource } from './source.js';

const K = 3;
let folder: string;
/** Artifacts by digest. */
let artifacts: Map<string, Uint8Array>;
let reads: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-export-'));
  artifacts = new Map();
  reads = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const targetOf = (index: number) => Array.from({ length: K }, (_, at) => index + at / 8);

function get(digest: string): Uint8Array {
  reads.push(digest);
  const bytes = artifacts.get(digest);
  if (!bytes) throw new Error(`${digest} is gone`);
  return bytes;
}

/** Shards of the images, and targets by which each row is known. */
function sourceOf(shards: ShardImage[][], more: Partial<ExportSource> = {}): ExportSource {
  let index = 0;
  const references = shards.map((images, number) => {
    const bytes = encodeShard(images);
    artifacts.set(`images-${number}`, bytes);
    const targets = Float32Array.from(images.flatMap(() => targetOf(index++)));
    artifacts.set(`targets-${number}`, new Uint8Array(targets.buffer));
    return {
      images: { digest: `images-${number}`, count: images.length, bytes: bytes.length },
      targets: `targets-${number}`,
    };
  });
  return {
    ...{ targets: 'sha256:t', dataset: 'sha256:d', prior: 'sha256:p', k: K },
    ...{ classes: ['cat', 'dog'], channels: 3, imageSize: { height: 2, width: 2 }, shards: references },
    read: async (digest) => get(digest),
    // In pieces, so that a header comes in several.
    open: async function* (digest: string) {
      const bytes = get(digest);
      for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
    } as unknown as ExportSource['open'],
    download: async (digest, path) => writeFile(path, get(digest)),
    ...more,
  };
}

const grey = (value: number, label: number | null = null, name: string | null = null): ShardImage => ({
  ...{ blob: Uint8Array.of(value, 1, 2, 3), shape: [2, 2, 1], label, name },
});

type RunOptions = Partial<ExportOptions> & { folder?: string };

function run(source: ExportSource, { folder: into = folder, ...more }: RunOptions = {}) {
  return exportTargets(source, {
    ...{ place: folderPlace(into), format: 'npy', shardSize: 2, images: false, labels: true, force: false },
    ...more,
  });
}

async function npyOf(name: string): Promise<{ header: string; data: Buffer }> {
  const file = await readFile(join(folder, name));
  expect(file.subarray(0, 8)).toEqual(Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0]));
  const end = 10 + file.readUInt16LE(8);
  expect(end % 64).toBe(0);
  return { header: file.toString('latin1', 10, end).trim(), data: file.subarray(end) };
}

const floats = (bytes: Uint8Array) => [...new Float32Array(new Uint8Array(bytes).buffer)];

async function tarFiles(name: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const tar = extract();
  tar.end(await readFile(join(folder, name)));
  for await (const entry of tar) {
    const pieces: Buffer[] = [];
    for await (const piece of entry) pieces.push(piece as Buffer);
    files.set(entry.header.name, Buffer.concat(pieces));
  }
  return files;
}

it('cuts the rows anew, across the shards of the data set, and reads of these no more than the headers', async () => {
  const big = { blob: new Uint8Array(100_000), shape: null };
  const source = sourceOf([
    [
      { ...big, label: 1, name: 'a/x.jpg' },
      { ...big, label: 0, name: 'a/y.jpg' },
      { ...big, label: 1, name: 'b/z.jpg' },
    ],
    [{ ...big, label: 0, name: 'b/w.jpg' }],
  ]);
  let pulled = 0;
  const { open } = source;
  const manifest = await run({
    ...source,
    open: async (digest) =>
      (async function* () {
        for await (const piece of await open(digest)) {
          pulled += piece.length;
          yield piece;
        }
      })(),
  });
  expect(manifest.shards.map(({ count }) => count)).toEqual([2, 2]);
  expect(JSON.parse(await readFile(join(folder, 'targets.json'), 'utf8'))).toEqual(manifest);
  expect((await readdir(folder)).sort()).toEqual(
    [...manifest.shards.flatMap(({ files }) => files), 'targets.json'].sort(),
  );
  const second = await npyOf('targets-00001.npy');
  expect(second.header).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  expect(floats(second.data)).toEqual([...targetOf(2), ...targetOf(3)]);
  const index = await npyOf('index-00001.npy');
  expect(index.header).toContain("'<i8', 'fortran_order': False, 'shape': (2,)");
  expect(index.data.readBigInt64LE(8)).toBe(3n);
  expect((await npyOf('labels-00000.npy')).data.readBigInt64LE(0)).toBe(1n);
  expect(JSON.parse(await readFile(join(folder, 'keys-00001.json'), 'utf8'))).toEqual(['b/z.jpg', 'b/w.jpg']);
  expect(pulled).toBeLessThan(2000);
  expect(reads.filter((digest) => digest === 'images-0')).toHaveLength(1);
});

it('writes no labels where there are none, and reads nothing of the data set where none are wanted', async () => {
  const unlabelled = sourceOf([[grey(1), grey(2)]], { classes: null });
  await run(unlabelled);
  expect(await readdir(folder)).not.toContain('labels-00000.npy');
  reads = [];
  await run(unlabelled, { labels: false, force: true });
  expect(reads).toEqual(['targets-0']);
  expect((await readdir(folder)).sort()).toEqual(['index-00000.npy', 'targets-00000.npy', 'targets.json']);
});

it('keeps the bytes of image files, and writes pixels as PNG with as many channels', async () => {
  const jpeg = await sharp({ create: { width: 5, height: 4, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer();
  const source = sourceOf([[{ blob: jpeg, shape: null, label: 1, name: 'a/x.jpeg' }, grey(9, null, 'n')]], {
    imageSize: null,
  });
  await run(source, { format: 'webdataset', images: true });
  const files = await tarFiles('shard-00000-of-00001.tar');
  expect([...files.keys()]).toEqual([
    ...['000000000.jpg', '000000000.json', '000000000.target.npy'],
    ...['000000001.png', '000000001.json', '000000001.target.npy'],
  ]);
  expect(files.get('000000000.jpg')).toEqual(jpeg);
  expect(JSON.parse(String(files.get('000000000.json')))).toEqual({ index: 0, key: 'a/x.jpeg' });
  const png = sharp(files.get('000000001.png'));
  expect(await png.metadata()).toMatchObject({ channels: 1, width: 2, height: 2 });
  expect([...(await png.toColourspace('b-w').raw().toBuffer())]).toEqual([9, 1, 2, 3]);
  expect(floats(files.get('000000001.target.npy')!.subarray(-4 * K))).toEqual(targetOf(1));
  expect(await readdir(folder)).not.toContain('images.part');
});

it('types the columns of Parquet as the hub does, in groups that fit in memory', async () => {
  const images = Array.from({ length: 5 }, (_, at) => grey(at, at % 2, `${at}.png`));
  await run(sourceOf([images.slice(0, 3), images.slice(3)]), {
    ...{ format: 'parquet', images: true, shardSize: 10 },
  });
  const file = await asyncBufferFromFile(join(folder, 'train-00000-of-00001.parquet'));
  const metadata = await parquetMetadataAsync(file);
  const hub = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value ?? '{}';
  expect(JSON.parse(hub).info.features).toMatchObject({
    label: { _type: 'ClassLabel', names: ['cat', 'dog'] },
    image: { _type: 'Image' },
  });
  const rows = await parquetReadObjects({ file, utf8: false });
  expect(rows.map(({ index, key, label, target }) => [Number(index), key, label, target])).toEqual(
    images.map(({ label, name }, at) => [at, name, label, targetOf(at)]),
  );
  expect(rows[4]?.image.path).toBe('4.png');
});

it('leaves the label of an unlabelled shard empty', async () => {
  await run(sourceOf([[grey(1, 1)], [grey(2)]]), { format: 'parquet', shardSize: 10 });
  const file = await asyncBufferFromFile(join(folder, 'train-00000-of-00001.parquet'));
  expect((await parquetReadObjects({ file })).map(({ label }) => label)).toEqual([1, null]);
});

it('gives arrays of images of one size, grey ones with three channels among coloured ones', async () => {
  const colour: ShardImage = { blob: new Uint8Array(12).fill(200), shape: [2, 2, 3], label: 0, name: null };
  await run(sourceOf([[grey(7, 1), colour]]), { images: true });
  const { header, data } = await npyOf('images-00000.npy');
  expect(header).toContain("'|u1', 'fortran_order': False, 'shape': (2, 2, 2, 3)");
  expect([...data.subarray(0, 6)]).toEqual([7, 7, 7, 1, 1, 1]);
  expect([...data.subarray(12)]).toEqual([...colour.blob]);
  const mixed = sourceOf([[grey(7)]], { imageSize: null });
  await expect(run(mixed, { images: true, force: true })).rejects.toMatchObject({ code: 'invalid-request' });
});

it.each(['npy', 'parquet', 'webdataset'] as const)(
  'goes on where an export as %s was cut short, and ends with the same bytes',
  async (format) => {
    const source = sourceOf([[grey(1, 0), grey(2, 1), grey(3, 0)], [grey(4, 1)], [grey(5, 0)]]);
    const options = { format, images: true, shardSize: 2 };
    const whole = join(folder, 'whole');
    const { shards } = await run(source, { ...options, folder: whole });
    const cut = join(folder, 'cut');
    const gone = artifacts.get('targets-1')!;
    artifacts.delete('targets-1');
    await expect(run(source, { ...options, folder: cut })).rejects.toThrow('targets-1 is gone');
    expect((await readdir(cut)).sort()).toEqual([...shards[0]!.files, 'unfinished.json'].sort());

    artifacts.set('targets-1', gone);
    reads = [];
    const done: number[] = [];
    await run(source, { ...options, folder: cut, onProgress: (rows) => done.push(rows) });
    expect(reads.filter((digest) => digest === 'targets-0')).toHaveLength(1);
    expect(done).toEqual([2, 3, 4, 5]);
    expect((await readdir(cut)).sort()).toEqual((await readdir(whole)).sort());
    for (const name of await readdir(whole))
      expect(await readFile(join(cut, name)), name).toEqual(await readFile(join(whole, name)));
  },
);

it('writes over nothing unless it is told to, and then leaves nothing of the earlier export', async () => {
  const source = sourceOf([[grey(1, 0), grey(2, 1), grey(3, 0)]]);
  await writeFile(join(folder, 'mine.txt'), 'kept');
  await run(source, { shardSize: 1 });
  await expect(run(source, { shardSize: 1 })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('--force'),
  });
  await expect(run(source, { format: 'webdataset' })).rejects.toMatchObject({ code: 'conflict' });
  const { shards } = await run(source, { format: 'webdataset', force: true });
  const files = shards.flatMap((shard) => shard.files);
  expect((await readdir(folder)).sort()).toEqual(['mine.txt', ...files, 'targets.json'].sort());
});

it('does not write over files of others, nor take their manifest for its own', async () => {
  const source = sourceOf([[grey(1, 0)]]);
  await writeFile(join(folder, 'targets-00000.npy'), 'mine');
  await expect(run(source)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('targets-00000.npy'),
  });
  expect(await readFile(join(folder, 'targets-00000.npy'), 'utf8')).toBe('mine');
  await writeFile(join(folder, 'targets.json'), '{"mine": true}');
  await expect(run(source, { force: true })).rejects.toMatchObject({ code: 'conflict' });
});

it.skipIf(process.platform !== 'linux').each(['npy', 'parquet', 'webdataset'] as const)(
  'says that the disk is full, how much is written, and goes on when there is room: %s',
  async (format) => {
    const source = sourceOf([[grey(1, 0), grey(2, 1)], [grey(3, 0)]]);
    const whole = join(folder, 'whole');
    const { shards } = await run(source, { folder: whole, format });
    const output = join(folder, 'full');
    // Every write to /dev/full fails as on a full disk.
    const partial = join(output, `${shards[1]!.files[0]}.part`);
    await mkdir(output);
    await symlink('/dev/full', partial);
    await expect(run(source, { folder: output, format })).rejects.toMatchObject({
      code: 'storage-full',
      message: expect.stringMatching(/full is full\. 1 of 2 shards are written.*same command again/),
    });
    await rm(partial, { force: true });
    await run(source, { folder: output, format });
    expect((await readdir(output)).sort()).toEqual((await readdir(whole)).sort());
  },
);

it('stops at its signal, and leaves no half of a file', async () => {
  const source = sourceOf([[grey(1, 0), grey(2, 1), grey(3, 0)]]);
  const controller = new AbortController();
  const stopped = run(source, {
    ...{ format: 'webdataset', images: true, shardSize: 1, signal: controller.signal },
    onProgress: (done) => {
      if (done === 2) controller.abort(new Error('enough'));
    },
  });
  await expect(stopped).rejects.toThrow('enough');
  expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  expect(await readdir(folder)).toContain('unfinished.json');
});

it('refuses targets that are not as many as the images', async () => {
  const source = sourceOf([[grey(1, 0), grey(2, 1)]]);
  artifacts.set('targets-0', new Uint8Array(4 * K));
  await expect(run(source)).rejects.toMatchObject({
    code: 'invalid-data',
    message: expect.stringContaining('3 floats, and 2 images'),
  });
});

/** A bucket in memory. `broken`: uploads of such keys fail. */
class MemoryBucket implements WritableBucket {
  readonly objects = new Map<string, Buffer>();
  broken: RegExp | null = null;

  async size(key: string) {
    return this.objects.get(key)?.length ?? null;
  }
  async get(key: string) {
    const found = this.objects.get(key);
    return found ? { body: Readable.from([found]) } : null;
  }
  async put(key: string, written: string) {
    this.objects.set(key, Buffer.from(written));
  }
  async upload(key: string, _bytes: number, body: Readable) {
    const bytes = await buffer(body);
    if (this.broken?.test(key)) throw new ProblemError('unavailable', `The bucket does not take ${key}.`);
    this.objects.set(key, bytes);
  }
  async remove(key: string) {
    this.objects.delete(key);
  }
}

it.each(['npy', 'parquet', 'webdataset'] as const)(
  'puts into a bucket the very files that a folder gets, and goes on there when it was cut short: %s',
  async (format) => {
    const source = sourceOf([[grey(1, 0, 'a'), grey(2, 1, 'b')], [grey(3, 0, 'c')]]);
    const { shards } = await run(source, { format, images: true });
    const bucket = new MemoryBucket();
    const toBucket = (more: Partial<ExportOptions> = {}) =>
      run(source, {
        ...{ place: bucketPlace({ name: 's3://out/here', prefix: 'here', bucket }) },
        ...{ format, images: true, ...more },
      });
    const scratch = join(folder, 'scratch');
    await mkdir(scratch);
    vi.stubEnv('TMPDIR', scratch);
    onTestFinished(() => void vi.unstubAllEnvs());
    bucket.broken = new RegExp(shards[1]!.files[0]!);
    await expect(toBucket()).rejects.toMatchObject({ code: 'unavailable' });
    expect([...bucket.objects.keys()].sort()).toEqual(
      ['unfinished.json', ...shards[0]!.files].map((name) => `here/${name}`).sort(),
    );
    bucket.broken = new RegExp(shards[0]!.files[0]!);
    expect(await toBucket()).toMatchObject({ shards });
    const files = ['targets.json', ...shards.flatMap((shard) => shard.files)];
    expect([...bucket.objects.keys()].sort()).toEqual(files.map((name) => `here/${name}`).sort());
    for (const name of files)
      expect([name, bucket.objects.get(`here/${name}`)]).toEqual([name, await readFile(join(folder, name))]);
    bucket.broken = null;
    await expect(toBucket()).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/^s3:\/\/out\/here holds an export already.*--force/),
    });
    expect(await toBucket({ force: true, shardSize: 3 })).toMatchObject({ shards: [{ count: 3 }] });
    expect(await readdir(scratch)).toEqual([]);
  },
);
