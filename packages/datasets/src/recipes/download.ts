/** Downloads the official files of a data set and checks their sums. Gives up soon where nothing answers. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fillFolder } from './cache-folder.js';
import { IDX_FILES, type Recipe } from './catalogue.js';

/** A server that has not answered by then counts as out of reach. */
const ANSWER_MS = 3_000;
/** A download that stands still for this long is given up. */
const STALL_MS = 20_000;

/** @throws Error naming each address and why it failed */
export async function downloadOfficial(recipe: Recipe, folder: string, signal?: AbortSignal): Promise<void> {
  const failures: string[] = [];
  for (const address of recipe.official.addresses) {
    try {
      await fillFolder(folder, async (temporary) => {
        for (const file of Object.values(IDX_FILES))
          await download({
            url: new URL(`${file}.gz`, address),
            path: join(temporary, `${file}.gz`),
            md5: recipe.official.md5[file],
            signal,
          });
      });
      return;
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(`${new URL(address).host}: ${reasonOf(error)}`);
    }
  }
  throw new Error(failures.join(', '));
}

async function download(options: {
  url: URL;
  path: string;
  md5: string;
  signal: AbortSignal | undefined;
}): Promise<void> {
  const { url, path, md5, signal } = options;
  const watchdog = new AbortController();
  const giveUp = (what: string) => () => watchdog.abort(new Error(what));
  let timer = setTimeout(giveUp(`no answer within ${ANSWER_MS / 1000} s`), ANSWER_MS);
  const signals = signal ? [signal, watchdog.signal] : [watchdog.signal];
  const hash = createHash('md5');
  try {
    const response = await fetch(url, { signal: AbortSignal.any(signals) });
    if (!response.ok || !response.body) throw new Error(`answers ${response.status} for ${url.pathname}`);
    const file = await open(path, 'wx');
    try {
      for await (const chunk of response.body) {
        clearTimeout(timer);
        timer = setTimeout(giveUp(`nothing came for ${STALL_MS / 1000} s`), STALL_MS);
        hash.update(chunk);
        await file.appendFile(chunk);
      }
    } finally {
      await file.close();
    }
  } finally {
    clearTimeout(timer);
  }
  const actual = hash.digest('hex');
  if (actual !== md5) throw new Error(`${url.pathname} has md5 ${actual}, and ${md5} was published`);
}

/** fetch puts what happened into the cause of "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
