/**
 * Images in a folder: one folder a class, or all in one without labels. In the order of their names by code unit, whatever the
 * file system's order; hidden files and other kinds of files are passed over, and no folder is entered twice.
 */
import { createHash } from 'node:crypto';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ProblemError } from '@rela/contracts';
import type { Limit, Source, SourceSplit } from './source.js';

const EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.webp']);

export interface FolderOptions {
  path: string;
  /** Folder of the test images. */
  test?: string | undefined;
  /** Share of the images that are held out for testing, where `test` is absent. */
  testFraction?: number | undefined;
  limit?: Limit | undefined;
}

/** @throws ProblemError `invalid-data` where a folder is missing, holds no images, or the classes do not agree */
export async function openFolder(options: FolderOptions): Promise<Source> {
  const { path, test, limit, testFraction = 0 } = options;
  const classes = await classesOf(path);
  const heldOut = test === undefined && testFraction > 0;
  if (test !== undefined) await assertSameClasses(path, classes, test);
  return {
    classes,
    train: await folderSplit({
      root: path,
      classes,
      limit: limit?.train,
      keeps: (name) => !heldOut || fractionOf(name) >= testFraction,
    }),
    test:
      test !== undefined || heldOut
        ? await folderSplit({
            root: test ?? path,
            classes,
            limit: limit?.test,
            keeps: (name) => !heldOut || fractionOf(name) < testFraction,
          })
        : null,
  };
}

/** Class names in order, or null where the images lie in the folder itself. */
async function classesOf(root: string): Promise<string[] | null> {
  const { files, folders } = await entriesOf(root);
  const classes: string[] = [];
  for (const folder of folders) if (await holdsImages(root, folder)) classes.push(folder);
  if (files.length > 0 && classes.length > 0)
    throw new ProblemError(
      'invalid-data',
      `${root} holds images (${files[0]}) and class folders (${classes[0]}). Move the images into class folders, or all into one folder.`,
    );
  if (files.length === 0 && classes.length === 0)
    throw new ProblemError(
      'invalid-data',
      `There are no images in ${root}. Files that end in ${[...EXTENSIONS].join(', ')} are read, in class folders or flat.`,
    );
  return classes.length > 0 ? classes : null;
}

async function assertSameClasses(train: string, classes: string[] | null, test: string): Promise<void> {
  const found = await classesOf(test);
  if ((found === null) !== (classes === null))
    throw new ProblemError(
      'invalid-data',
      `${classes ? train : test} has class folders and ${classes ? test : train} has none. Both have to be laid out alike.`,
    );
  const unknown = found?.filter((name) => !classes?.includes(name)) ?? [];
  if (unknown.length > 0)
    throw new ProblemError(
      'invalid-data',
      `${test} has classes that ${train} has not: ${unknown.slice(0, 10).join(', ')}.`,
    );
}

/** A number in [0, 1) that a name decides, and nothing else: an image stays on its side whatever is added. */
function fractionOf(name: string): number {
  return createHash('sha256').update(name).digest().readUIntBE(0, 6) / 2 ** 48;
}

async function folderSplit(options: {
  root: string;
  classes: string[] | null;
  limit: number | undefined;
  keeps: (name: string) => boolean;
}): Promise<SourceSplit> {
  const { root, classes, limit, keeps } = options;
  const groups = classes ?? [''];
  const counts: number[] = [];
  for (const group of groups) {
    let count = 0;
    for await (const name of imagesOf(root, group)) if (keeps(name)) count++;
    counts.push(count);
  }
  const quotas = limit === undefined ? counts : shareOut(limit, counts);
  return {
    count: quotas.reduce((sum, quota) => sum + quota, 0),
    async *images(signal) {
      for (const [label, group] of groups.entries()) {
        let left = quotas[label]!;
        if (left === 0) continue;
        for await (const name of imagesOf(root, group)) {
          if (!keeps(name)) continue;
          signal?.throwIfAborted();
          yield { name, label: classes ? label : null, kind: 'file', path: join(root, name) };
          if (--left === 0) break;
        }
      }
    },
  };
}

/** Takes `limit` as evenly from the groups as their counts allow: the first images of a sorted folder are all of one class. */
function shareOut(limit: number, counts: number[]): number[] {
  const quotas = counts.map(() => 0);
  let left = Math.min(
    limit,
    counts.reduce((sum, count) => sum + count, 0),
  );
  while (left > 0) {
    const open = [...counts.keys()].filter((group) => quotas[group]! < counts[group]!);
    const share = Math.max(1, Math.floor(left / open.length));
    for (const group of open) {
      const taken = Math.min(share, counts[group]! - quotas[group]!, left);
      quotas[group]! += taken;
      left -= taken;
    }
  }
  return quotas;
}

/** Names of the images of a class, or of a flat folder (class ''). A test folder need not have every class. */
async function* imagesOf(root: string, group: string): AsyncGenerator<string> {
  if (group === '') {
    yield* (await entriesOf(root)).files;
    return;
  }
  const folder = join(root, group);
  if ((await kindAt(folder)) !== null) yield* imagesBelow(folder, group, [await realpath(root)]);
}

/** Names of the images below `folder`, each after `prefix`, folder by folder. Memory: the names of one folder. */
async function* imagesBelow(
  folder: string,
  prefix: string,
  above: readonly string[],
): AsyncGenerator<string> {
  const real = await realpath(folder);
  if (above.includes(real)) return; // a link that leads back up
  const { files, folders } = await entriesOf(folder);
  for (const file of files) yield join(prefix, file);
  for (const inner of folders) yield* imagesBelow(join(folder, inner), join(prefix, inner), [...above, real]);
}

async function holdsImages(root: string, group: string): Promise<boolean> {
  for await (const name of imagesOf(root, group)) return name !== '';
  return false;
}

/** Image files and folders, sorted by code unit; links count as what they lead to. */
async function entriesOf(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const files: string[] = [];
  const folders: string[] = [];
  for (const entry of await listing(folder)) {
    if (entry.name.startsWith('.')) continue;
    const kind = entry.isSymbolicLink() ? await kindAt(join(folder, entry.name)) : entry;
    if (kind?.isDirectory()) folders.push(entry.name);
    else if (kind?.isFile() && EXTENSIONS.has(extname(entry.name).toLowerCase())) files.push(entry.name);
  }
  return { files: files.sort(), folders: folders.sort() };
}

async function listing(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError(
      'invalid-data',
      `The folder ${folder} cannot be read: ${reason}. The path is seen from the worker.`,
      undefined,
      { cause: error },
    );
  }
}

/** What a path leads to, null where it leads nowhere. */
async function kindAt(path: string) {
  return stat(path).catch(() => null);
}
