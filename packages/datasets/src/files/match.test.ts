import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { LocalFiles } from './local-files.js';
import { matchFiles } from './match.js';

async function folderOf(...names: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-match-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const name of names) await writeFile(join(folder, name), '');
  return folder;
}

const match = (pattern: string) => matchFiles(new LocalFiles(), pattern, ['.tar']);

it('takes the files of braces and stars in the order of their names', async () => {
  const folder = await folderOf('a-0.tar', 'a-1.tar', 'b.tar');
  expect(await match(`${folder}/a-{0..1}.tar`)).toEqual([`${folder}/a-0.tar`, `${folder}/a-1.tar`]);
  expect(await match(`${folder}/*.tar`)).toHaveLength(3);
});

it('does not let braces lead up from the folder that a path begins with', async () => {
  const folder = await folderOf('a.tar');
  for (const braces of ['{..,..}', '{.,.}{.,.}', 'b/{..,c}/..'])
    await expect(match(`${folder}/${braces}/*.tar`), braces).rejects.toThrow('leads up by braces');
});
