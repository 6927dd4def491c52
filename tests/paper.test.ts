import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';

const bench = fileURLToPath(new URL('../bench/run.mjs', import.meta.url));
const run = promisify(execFile);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'paper-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('shows why efficient data are efficient: claims, figures and numbers from runs of its own', async () => {
  const { stdout } = await run(process.execPath, [
    bench,
    'paper:gaussian',
    '--quick',
    '--json',
    '--out',
    folder,
  ]);
  const { claims, seeds } = JSON.parse(stdout);
  expect(seeds).toEqual([0, 1, 2]);
  for (const { claim, holds } of claims) expect([claim, holds]).toEqual([claim, true]);
  const files = await readdir(folder);
  expect(files).toEqual(expect.arrayContaining(['gaussian.json', 'gaussian.md', 'gaussian-spread.svg']));
  expect(await readFile(join(folder, 'gaussian-spread.svg'), 'utf8')).toMatch(/^<svg /);
  expect(JSON.parse(await readFile(join(folder, 'gaussian.json'), 'utf8')).claims).toEqual(claims);
}, 120_000);
