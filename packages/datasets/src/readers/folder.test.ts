/** Folders of images: what counts as an image, in which order, and on which side it ends. */
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFiles } from '../files/files.js';
import { put, testFolder } from '../testing/fixtures.js';
import { openFolder } from './folder.js';
import type { SourceSplit } from './source.js';

const files = createFiles();

async function names(split: SourceSplit | null): Promise<string[]> {
  const found: string[] = [];
  if (split) for await (const image of split.images()) found.push(image.name);
  return found;
}

async function folderOf(...files: string[]): Promise<string> {
  const folder = await testFolder();
  for (const file of files) await put(join(folder, file), 'bytes');
  return folder;
}

const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}.png`);

describe('a folder of images', () => {
  it('has a class a folder, in the order of the names by code unit', async () => {
    const path = await folderOf('b/2.png', 'b/10.JPG', 'a/1.webp', 'a/deep/0.jpeg', 'Z/0.png');
    const { classes, train, test } = await openFolder({ files, path });
    expect(classes).toEqual(['Z', 'a', 'b']);
    expect(test).toBeNull();
    expect(train.count).toBe(5);
    expect(await names(train)).toEqual(['Z/0.png', 'a/1.webp', 'a/deep/0.jpeg', 'b/10.JPG', 'b/2.png']);
    const labels = [];
    for await (const { label } of train.images()) labels.push(label);
    expect(labels).toEqual([0, 1, 1, 2, 2]);
  });

  it('has no labels where the images lie in it', async () => {
    const { classes, train } = await openFolder({
      files,
      path: await folderOf('b.png', 'a.png', 'notes.txt'),
    });
    expect(classes).toBeNull();
    expect(await names(train)).toEqual(['a.png', 'b.png']);
  });

  it('is read without hidden files, other files, dead links, and without going round in a link', async () => {
    const path = await folderOf(
      'a/1.png',
      'a/.hidden.png',
      '.cache/1.png',
      'a/info.txt',
      'empty/readme.md',
      'b/1.png',
    );
    await symlink(path, join(path, 'a', 'up'));
    await symlink(join(path, 'nowhere.png'), join(path, 'a', 'dead.png'));
    await symlink(join(path, 'a', '1.png'), join(path, 'a', '2.png'));
    const { classes, train } = await openFolder({ files, path });
    expect(classes).toEqual(['a', 'b']);
    expect(await names(train)).toEqual(['a/1.png', 'a/2.png', 'b/1.png']);
  });

  it('gives test images of its own classes', async () => {
    const path = await folderOf('train/a/1.png', 'train/b/1.png', 'test/b/1.png', 'odd/c/1.png');
    const source = await openFolder({ files, path: join(path, 'train'), test: join(path, 'test') });
    expect(await names(source.test)).toEqual(['b/1.png']);
    for await (const { label } of source.test!.images()) expect(label).toBe(1);
    await expect(openFolder({ files, path: join(path, 'train'), test: join(path, 'odd') })).rejects.toThrow(
      `classes that ${join(path, 'train')} has not: c`,
    );
  });

  it('holds out a share that more images do not move', async () => {
    const all = numbered('a/', 400);
    const few = await openFolder({ files, path: await folderOf(...all.slice(0, 200)), testFraction: 0.25 });
    const many = await openFolder({ files, path: await folderOf(...all), testFraction: 0.25 });
    const [fewTest, manyTest] = [await names(few.test), await names(many.test)];
    expect(manyTest).toEqual(expect.arrayContaining(fewTest));
    expect(manyTest.length).toBeGreaterThan(70);
    expect(manyTest.length).toBeLessThan(130);
    expect([...(await names(many.train)), ...manyTest].sort()).toEqual(all.sort());
  });

  it('takes a limit from all classes alike', async () => {
    const path = await folderOf(...numbered('a/', 10), ...numbered('b/', 2), ...numbered('c/', 10));
    const { train } = await openFolder({ files, path, limit: { train: 9 } });
    expect(train.count).toBe(9);
    const count = new Map<string, number>();
    for (const name of await names(train)) count.set(name[0]!, (count.get(name[0]!) ?? 0) + 1);
    expect(Object.fromEntries(count)).toEqual({ a: 4, b: 2, c: 3 });
  });

  it('is refused where it is missing, empty, or laid out in two ways', async () => {
    const folder = await testFolder();
    await expect(openFolder({ files, path: join(folder, 'missing') })).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringContaining(join(folder, 'missing')),
    });
    await mkdir(join(folder, 'a'));
    await expect(openFolder({ files, path: folder })).rejects.toThrow(`There are no images in ${folder}`);
    await put(join(folder, 'a', '1.png'), '');
    await put(join(folder, '1.png'), '');
    await expect(openFolder({ files, path: folder })).rejects.toThrow(
      'holds images (1.png) and class folders (a)',
    );
  });
});
