/** What is left of scratch folders, after work that ended, failed or was killed. */
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { withScratch } from './scratch.js';

let place: string;
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'rela-process-'));
  vi.stubEnv('TMPDIR', place);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(place, { recursive: true });
});

it('is gone after the work, whether it went well or not', async () => {
  const work = withScratch('some', async (folder) => {
    await writeFile(join(folder, 'file'), 'half');
    return (await readdir(place)).length;
  });
  expect(await work).toBe(1);
  const failing = withScratch('some', () => Promise.reject(new Error('broken')));
  await expect(failing).rejects.toThrow('broken');
  expect(await readdir(place)).toEqual([]);
});

it('is made where the caller says, whose leftovers go too', async () => {
  const elsewhere = join(place, 'not', 'there');
  const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
  await mkdir(join(elsewhere, 'rela-scratch-old-x'), { recursive: true });
  await writeFile(join(elsewhere, 'rela-scratch-old-x', 'features'), 'rows');
  await utimes(join(elsewhere, 'rela-scratch-old-x'), twoDaysAgo, twoDaysAgo);
  const seen = await withScratch('some', async () => readdir(elsewhere), elsewhere);
  expect(seen).toEqual([expect.stringMatching(/^rela-scratch-some-/)]);
  expect(await readdir(elsewhere)).toEqual([]);
});

it('of a process that was killed a day ago goes with the next one, and nothing else does', async () => {
  for (const name of ['rela-scratch-old-x', 'rela-scratch-new-x', 'other-old'])
    await mkdir(join(place, name));
  const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
  for (const name of ['rela-scratch-old-x', 'other-old'])
    await utimes(join(place, name), twoDaysAgo, twoDaysAgo);
  // A clock that is wrong by a week changes nothing.
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 7 * 86_400_000);
  await withScratch('some', async () => undefined).finally(() => vi.restoreAllMocks());
  expect((await readdir(place)).sort()).toEqual(['other-old', 'rela-scratch-new-x']);
});
