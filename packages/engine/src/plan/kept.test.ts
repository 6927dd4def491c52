import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keep, readKept } from './kept.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kernels-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const setting = { block: 16, threads: 2, precision: 'fast' } as const;

it('gives back what was kept for the same setting, and adds to it', async () => {
  const path = join(folder, 'below', 'kernels.json');
  expect(await readKept(path, setting)).toEqual({});
  await keep(path, setting, { '2×4×4 16→16': 'winograd4' });
  await keep(path, { ...setting, threads: 1 }, { '2×4×4 16→16': 'direct' });
  await keep(path, setting, { '2×8×8 16→16': 'direct' });
  expect(await readKept(path, setting)).toEqual({ '2×4×4 16→16': 'winograd4', '2×8×8 16→16': 'direct' });
  expect(await readKept(path, { ...setting, precision: 'strict' })).toEqual({});
});

it('passes over a damaged file, and kernels that it does not know', async () => {
  const path = join(folder, 'kernels.json');
  await keep(path, setting, { '2×4×4 16→16': 'winograd4' });
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('winograd4', 'winograd6'));
  expect(await readKept(path, setting)).toEqual({});
  await writeFile(path, text.slice(0, 20));
  expect(await readKept(path, setting)).toEqual({});
  await keep(path, setting, { '2×4×4 16→16': 'direct' });
  expect(await readKept(path, setting)).toEqual({ '2×4×4 16→16': 'direct' });
});
