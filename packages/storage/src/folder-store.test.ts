/** What only a folder can show: damage, what killed processes leave, a full disk. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { FolderStore } from './folder-store.js';

const run = promisify(execFile);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-folder-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function drain(body: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of body) bytes += chunk.length;
  return bytes;
}

describe('a folder store', () => {
  it('says that an artifact is damaged, by all ways of reading, and heals it by the next write', async () => {
    const store = new FolderStore(folder);
    const bytes = randomBytes(1000);
    const { digest } = await store.write(bytes);
    await writeFile(store.pathOf(digest), bytes.subarray(1));
    const damaged = { code: 'invalid-data', detail: expect.stringContaining(store.pathOf(digest)) };
    await expect(store.read(digest)).rejects.toMatchObject(damaged);
    const { body } = await store.stream(digest);
    await expect(drain(body)).rejects.toMatchObject(damaged);
    await store.write(bytes);
    expect(Buffer.compare(await store.read(digest), bytes)).toBe(0);
  });

  it('removes what a killed process left a day ago, and not what another is writing', async () => {
    const incoming = join(folder, 'incoming');
    await mkdir(incoming, { recursive: true });
    await writeFile(join(incoming, 'old'), 'half');
    const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
    await utimes(join(incoming, 'old'), twoDaysAgo, twoDaysAgo);
    await writeFile(join(incoming, 'new'), 'half');
    await new FolderStore(folder).write(randomBytes(10));
    expect(await readdir(incoming)).toEqual(['new']);
  });

  it('goes by the clock of its disk where that of this process is wrong', async () => {
    const incoming = join(folder, 'incoming');
    await mkdir(incoming, { recursive: true });
    await writeFile(join(incoming, 'new'), 'half');
    const before = Date.now();
    vi.useFakeTimers({ now: before + 48 * 3600_000, toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const store = new FolderStore(folder);
    const { digest } = await store.write(randomBytes(10));
    expect(await readdir(incoming)).toEqual(['new']);
    await store.touch(digest);
    expect(Math.abs((await store.usedAt(digest))! - before)).toBeLessThan(60_000);
    expect(Math.abs((await store.now()) - before)).toBeLessThan(60_000);
  });

  it('removes what one owner left half written, and nothing of another', async () => {
    const incoming = join(folder, 'incoming');
    await mkdir(incoming, { recursive: true });
    for (const name of ['stg_a.1.x', 'stg_a.1.y', 'stg_a.12.x', 'stg_ab.1.x', 'any.x'])
      await writeFile(join(incoming, name), 'half');
    await new FolderStore(folder).discard('stg_a.1');
    expect((await readdir(incoming)).sort()).toEqual(['any.x', 'stg_a.12.x', 'stg_ab.1.x']);
    await new FolderStore(folder).discard('stg_a');
    expect((await readdir(incoming)).sort()).toEqual(['any.x', 'stg_ab.1.x']);
    const store = new FolderStore(folder).ownedBy('stg_a.2');
    let seen: string[] = [];
    const pieces = async function* () {
      yield new Uint8Array([1]);
      seen = await readdir(incoming);
    };
    await store.write(pieces());
    expect(seen.filter((name) => name.startsWith('stg_a.2.'))).toHaveLength(1);
  });

  it('leaves nothing under a temporary name after a failed write', async () => {
    const store = new FolderStore(folder);
    async function* failing() {
      yield randomBytes(10);
      throw new Error('broken');
    }
    await expect(store.write(failing())).rejects.toThrow('broken');
    expect(await readdir(join(folder, 'incoming'))).toEqual([]);
  });

  it('says that its folder cannot be written where a file is in the way', async () => {
    await writeFile(join(folder, 'file'), '');
    const store = new FolderStore(join(folder, 'file', 'artifacts'));
    await expect(store.check()).rejects.toMatchObject({ code: 'unavailable' });
  });
});

/** Whether a file system of 256 KiB is mounted now; a run without root has no other way to a real full disk. */
async function mountSmallDisk(at: string): Promise<boolean> {
  return run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', at]).then(
    () => true,
    () => false,
  );
}

describe('a full disk', () => {
  let disk: string;
  let mounted = false;
  beforeAll(async () => {
    disk = await mkdtemp(join(tmpdir(), 'rela-disk-'));
    mounted = await mountSmallDisk(disk);
  });
  afterAll(async () => {
    if (mounted) await run('umount', [disk]);
    await rm(disk, { recursive: true });
  });

  it('is reported with its path, and takes nothing that was stored before', async (context) => {
    context.skip(!mounted, 'needs the right to mount a small disk');
    const store = new FolderStore(disk);
    const kept = await store.write(randomBytes(1000));
    await expect(store.write(randomBytes(1_000_000))).rejects.toMatchObject({
      code: 'storage-full',
      detail: expect.stringContaining(disk),
    });
    expect(await readdir(join(disk, 'incoming'))).toEqual([]);
    expect(await store.read(kept.digest)).toHaveLength(1000);
    await expect(store.write(randomBytes(1000))).resolves.toMatchObject({ bytes: 1000 });
  });
});
