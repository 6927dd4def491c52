import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { execPath, pid } from 'node:process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ownFile } from './own-file.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-own-file-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The name that the file would have were it of another process, or of another machine. */
const nameOf = (path: string, of: { owner?: number; host?: string }): string => {
  const [name, host, owner, id] = basename(path).split('.');
  return [name, of.host ?? host, of.owner ?? owner, id].join('.');
};

it('removes what processes left that have ended, and nothing of one that works, nor of another machine before a day', async () => {
  const child = spawn(execPath, ['--eval', '']);
  await once(child, 'exit');
  const mine = await ownFile(folder, 'features');
  const left = nameOf(mine, { owner: child.pid! });
  const elsewhere = nameOf(mine, { owner: child.pid!, host: 'elsewhere' });
  const forgotten = nameOf(mine, { host: 'long_gone' });
  for (const file of [basename(mine), left, elsewhere, forgotten])
    await writeFile(join(folder, file), 'rows');
  const longAgo = new Date(Date.now() - 25 * 3600 * 1000);
  await utimes(join(folder, forgotten), longAgo, longAgo);
  expect(nameOf(mine, {}).split('.')[2]).toBe(String(pid));

  const next = await ownFile(folder, 'features');
  expect(next).not.toBe(mine);
  expect((await readdir(folder)).sort()).toEqual([basename(mine), elsewhere].sort());
});

it('makes the folder', async () => {
  const path = await ownFile(join(folder, 'not', 'there'), 'features');
  await writeFile(path, 'rows');
});
