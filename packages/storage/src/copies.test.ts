/** The bound on local copies. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Copies } from './copies.js';
import { FolderStore } from './folder-store.js';

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'rela-copies-'));
});
afterEach(() => rm(path, { recursive: true }));

async function threeCopies(folder: FolderStore): Promise<string[]> {
  const digests: string[] = [];
  for (const hoursAgo of [3, 2, 1]) {
    const { digest } = await folder.write(randomBytes(1000));
    const then = new Date(Date.now() - hoursAgo * 3_600_000);
    await utimes(folder.pathOf(digest), then, then);
    digests.push(digest);
  }
  return digests;
}

describe('local copies', () => {
  it('go when they do not fit, least recently used first', async () => {
    const folder = new FolderStore(path);
    const [oldest, middle, newest] = await threeCopies(folder);
    const copies = new Copies(folder, 2000);
    expect(await copies.find(oldest!)).toBe(folder.pathOf(oldest!)); // now the most recent
    await copies.trim();
    expect(await copies.find(middle!)).toBeNull();
    expect(await folder.has(oldest!)).toBe(true);
    expect(await folder.has(newest!)).toBe(true);
  });

  it('stay while somebody may be about to open them, whatever the bound', async () => {
    const folder = new FolderStore(path);
    const { digest } = await folder.write(randomBytes(1000));
    await new Copies(folder, 0).trim();
    expect(await folder.has(digest)).toBe(true);
    await new Copies(folder, 0, -1000).trim();
    expect(await folder.has(digest)).toBe(false);
  });
});
