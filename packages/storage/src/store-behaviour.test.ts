/** What every store does, run against a folder and against an S3 server in this process. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { digestOf } from './digest.js';
import { type ArtifactStore, openStore } from './index.js';

interface Place {
  store: ArtifactStore;
  /** Another process's view of the same place: shares nothing but what is stored. */
  other: ArtifactStore;
  close(): Promise<void>;
}

async function folderPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-store-'));
  return {
    store: openStore(folder),
    other: openStore(`file://${folder}`),
    close: () => rm(folder, { recursive: true }),
  };
}

async function s3Place(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-s3-'));
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory: join(folder, 'server'),
    configureBuckets: [{ name: 'artifacts', configs: [] }],
  });
  await server.run();
  const { port } = server.httpServer.address() as AddressInfo;
  // The only pair that s3rver knows.
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'S3RVER');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'S3RVER');
  const url = `s3://artifacts/some/prefix?endpoint=http://127.0.0.1:${port}&region=us-east-1&pathStyle=true`;
  return {
    store: openStore(url, { cacheFolder: join(folder, 'one') }),
    other: openStore(url, { cacheFolder: join(folder, 'two') }),
    async close() {
      vi.unstubAllEnvs();
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function joined(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

const absent = `sha256:${'0'.repeat(64)}`;

describe.each([
  ['a folder', folderPlace],
  ['S3', s3Place],
])('artifacts in %s', (_, open) => {
  let place: Place;
  beforeAll(async () => {
    place = await open();
  });
  afterAll(() => place.close());

  it('come back as they were written, under the digest of their bytes', async () => {
    const bytes = randomBytes(100_000);
    const written = await place.store.write(pieces(bytes, 7_777));
    expect(written).toEqual({ digest: digestOf(bytes), bytes: 100_000 });
    expect(Buffer.compare(await place.other.read(written.digest), bytes)).toBe(0);
    const { bytes: size, body } = await place.other.stream(written.digest);
    expect(size).toBe(100_000);
    expect((await joined(body)).equals(bytes)).toBe(true);
    expect((await readFile(await place.other.localPath(written.digest))).equals(bytes)).toBe(true);
  });

  it('are stored in several parts where they are large', async () => {
    const bytes = randomBytes(18 * 1024 ** 2);
    const { digest } = await place.store.write(bytes);
    expect(digestOf(await place.other.read(digest))).toBe(digest);
  });

  it('are one where the content is the same, also when it is written by two at once', async () => {
    const bytes = randomBytes(1000);
    const written = await Promise.all([
      place.store.write(bytes),
      place.other.write(pieces(bytes, 10)),
      place.store.write(bytes),
    ]);
    expect(new Set(written.map(({ digest }) => digest)).size).toBe(1);
    await place.store.remove(written[0].digest);
    expect(await place.store.has(written[0].digest)).toBe(false);
  });

  it('may be empty', async () => {
    const { digest, bytes } = await place.store.write(new Uint8Array());
    expect(bytes).toBe(0);
    expect(await place.other.read(digest)).toHaveLength(0);
  });

  it('are told apart from those that are not there', async () => {
    const { digest } = await place.store.write(randomBytes(10));
    expect(await place.other.has(digest)).toBe(true);
    expect(await place.store.has(absent)).toBe(false);
    const gone = { code: 'not-found', detail: expect.stringContaining(absent) };
    await expect(place.store.read(absent)).rejects.toMatchObject(gone);
    await expect(place.store.stream(absent)).rejects.toMatchObject(gone);
    await expect(place.store.localPath(absent)).rejects.toMatchObject(gone);
    await expect(place.store.remove(absent)).resolves.toBeUndefined();
  });

  it('are not asked for by a name that is no digest', async () => {
    await expect(place.store.read('sha256:../../etc/passwd')).rejects.toMatchObject({
      code: 'invalid-request',
    });
  });

  it('do not appear where their source fails', async () => {
    const bytes = randomBytes(1000);
    async function* failing() {
      yield bytes;
      throw new Error('the client went away');
    }
    await expect(place.store.write(failing())).rejects.toThrow('the client went away');
    expect(await place.store.has(digestOf(bytes))).toBe(false);
  });

  it('do not appear where the write was aborted', async () => {
    const abort = new AbortController();
    const bytes = randomBytes(1000);
    async function* endless() {
      yield bytes;
      abort.abort(new Error('cancelled'));
      for (;;) yield bytes;
    }
    await expect(place.store.write(endless(), { signal: abort.signal })).rejects.toThrow('cancelled');
    expect(await place.store.has(digestOf(bytes))).toBe(false);
  });

  it('can be checked for', async () => {
    await expect(place.store.check()).resolves.toBeUndefined();
  });

  it('has a clock of its own', async () => {
    expect(Math.abs(Date.now() - (await place.store.now()))).toBeLessThan(60_000);
  });

  it('lists every artifact, and says when it was written or touched', async () => {
    const { digest } = await place.store.write(randomBytes(100));
    const listed = [];
    for await (const artifact of place.store.list()) listed.push(artifact);
    const usedAt = await place.store.usedAt(digest);
    expect(listed).toContainEqual({ digest, bytes: 100, usedAt: expect.any(Number) });
    expect(Math.abs(Date.now() - usedAt!)).toBeLessThan(60_000);
    expect(await place.store.touch(digest)).toBe(true);
    expect(await place.store.usedAt(digest)).toBeGreaterThanOrEqual(usedAt!);
    await place.store.remove(digest);
    expect(await place.store.touch(digest)).toBe(false);
    expect(await place.store.usedAt(digest)).toBeNull();
  });
});
