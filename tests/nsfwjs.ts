/** For tests: the trained MobileNetV2s of the npm package nsfwjs, which carries them as JavaScript, as the folders that they were made of. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';

const run = promisify(execFile);

const PACKAGE = 'nsfwjs@4.3.0';
/** sha512 of the archive, as the registry has published it. */
const INTEGRITY =
  'sha512-WTKDte0vp1X97N1h34P79G/hG+sVT3+TnDz9di1WseIJR93v11E4viNX7Vg9WsO6HYoR772Nzq2iM8jo3XBZ+g==';
const NPM_MS = 120_000;

/** @returns null where the registry does not answer. @throws Error where it gives another archive */
export async function fetchNsfwjs(folder: string): Promise<{ models: string } | null> {
  await mkdir(folder, { recursive: true });
  const archive = join(folder, 'nsfwjs-4.3.0.tgz');
  const reached = await run('npm', ['pack', PACKAGE, '--pack-destination', folder, '--silent'], {
    cwd: folder,
    timeout: NPM_MS,
  }).then(
    () => true,
    () => false,
  );
  if (!reached) return null;
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(archive))
    .digest('base64')}`;
  if (integrity !== INTEGRITY) throw new Error(`${PACKAGE} is ${integrity}; ${INTEGRITY} was published`);
  await run('tar', ['-xzf', archive, '-C', folder]);
  return { models: join(folder, 'package', 'dist', 'models') };
}

/** Every file is a module whose export is the parsed model.json, or a shard in base64. */
export async function unpackModel(modules: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(modules)) {
    const module: { exports: unknown } = { exports: {} };
    runInNewContext(await readFile(join(modules, name), 'utf8'), { module, exports: module.exports });
    const content = module.exports;
    const plain = basename(name, '.min.js');
    if (typeof content === 'string') await writeFile(join(folder, plain), Buffer.from(content, 'base64'));
    else await writeFile(join(folder, `${plain}.json`), JSON.stringify(content));
  }
}
