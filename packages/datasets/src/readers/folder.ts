/**
 * Images in a folder: one folder a class, or all in one without labels. In the order of their names by code unit, whatever the
 * file system's order; hidden files and other kinds of files are passed over, and no folder is entered twice.
 */
import { createHash } from 'node:crypto';
import { extname } from 'node:path';
import { ProblemError } from '@rela/contracts';
import type { Files } from '../files/files.js';
import { inside, isInBucket } from '../files/paths.js';
import { IMAGE_ENDINGS, readImage } from './read-image.js';
import type { Limit, Source, SourceSplit } from './source.js';

/** Small objects come one a round trip: the waiting is shared by so many. */
const REMOTE_AT_ONCE = 16;

export interface FolderOptions {
  files: Files;
  path: string;
  /** Folder of the test images. */
  test?: string | undefined;
  /** Share of the images that are held out for testing, where `test` is absent. */
  testFraction?: number | undefined;
  limit?: Limit | undefined;
}

/** @throws ProblemError `invalid-data` where a folder is missing, holds no images, or the classes do not agree */
export async function openFolder(options: FolderOptions): Promise<Source> {
  const { files, path, test, limit, testFraction = 0 } = options;
  const classes = await classesOf(files, path);
  const heldOut = test === undefined && testFraction > 0;
  if (test !== undefined) await assertSameClasses(files, path, classes, test);
  return {
    classes,
    train: await folderSplit({
      files,
      root: path,
      classes,
      limit: limit?.train,
      keeps: (name) => !heldOut || fractionOf(name) >= testFraction,
    }),
    test:
      test !== undefined || heldOut
        ? await folderSplit({
            files,
            root: test ?? path,
            classes,
            limit: limit?.test,
            keeps: (name) => !heldOut || fractionOf(name) < testFraction,
          })
        : null,
  };
}

/** Class names in order, or null where the images lie in the folder itself. */
async function classesOf(files: Files, root: string): Promise<string[] | null> {
  const { images, folders } = await entriesOf(files, root);
  const classes: string[] = [];
  for (const folder of folders) if (await holdsImages(files, root, folder)) classes.push(folder);
  if (images.length > 0 && classes.length > 0)
    throw new ProblemError(
      'invalid-data',
      `${root} holds images (${images[0]}) and class folders (${classes[0]}). Move the images into class folders, or all into one folder.`,
    );
  if (images.length === 0 && classes.length === 0)
    throw new ProblemError(
      'invalid-data',
      `There are no images in ${root}. Files that end in ${[...IMAGE_ENDINGS].join(', ')} are read, in class folders or flat.`,
    );
  return classes.length > 0 ? classes : null;
}

async function assertSameClasses(
  files: Files,
  train: string,
  classes: string[] | null,
  test: string,
): Promise<void> {
  const found = await classesOf(files, test);
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
  files: Files;
  root: string;
  classes: string[] | null;
  limit: number | undefined;
  keeps: (name: string) => boolean;
}): Promise<SourceSplit> {
  const { files, root, classes, limit, keeps } = options;
  const groups = classes ?? [''];
  const counts: number[] = [];
  for (const group of groups) {
    let count = 0;
    for await (const name of imagesOf(files, root, group)) if (keeps(name)) count++;
    counts.push(count);
  }
  const quotas = limit === undefined ? counts : shareOut(limit, counts);
  return {
    count: quotas.reduce((sum, quota) => sum + quota, 0),
    ...(isInBucket(root) ? { atOnce: REMOTE_AT_ONCE } : {}),
    ...(classes ? { labels: new Set([...quotas.keys()].filter((label) => quotas[label]! > 0)) } : {}),
    async *images(signal) {
      for (const [label, group] of groups.entries()) {
        let left = quotas[label]!;
        if (left === 0) continue;
        for await (const name of imagesOf(files, root, group)) {
          if (!keeps(name)) continue;
          signal?.throwIfAborted();
          const read = () => readImage(files, inside(root, name));
          yield { name, label: classes ? label : null, kind: 'file', read };
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
async function* imagesOf(files: Files, root: string, group: string): AsyncGenerator<string> {
  if (group === '') {
    yield* (await entriesOf(files, root)).images;
    return;
  }
  const folder = inside(root, group);
  if ((await files.kindOf(folder)) !== null)
    yield* imagesBelow(files, folder, group, [await files.real(root)]);
}

/** Names of the images below `folder`, each after `prefix`, folder by folder. Memory: the names of one folder. */
async function* imagesBelow(
  files: Files,
  folder: string,
  prefix: string,
  above: readonly string[],
): AsyncGenerator<string> {
  const real = await files.real(folder);
  if (above.includes(real)) return; // a link that leads back up
  const { images, folders } = await entriesOf(files, folder);
  for (const image of images) yield inside(prefix, image);
  for (const inner of folders)
    yield* imagesBelow(files, inside(folder, inner), inside(prefix, inner), [...above, real]);
}

async function holdsImages(files: Files, root: string, group: string): Promise<boolean> {
  for await (const name of imagesOf(files, root, group)) return name !== '';
  return false;
}

async function entriesOf(files: Files, folder: string): Promise<{ images: string[]; folders: string[] }> {
  const { files: names, folders } = await files.entries(folder);
  return { images: names.filter((name) => IMAGE_ENDINGS.has(extname(name).toLowerCase())), folders };
}
