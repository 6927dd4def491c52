/**
 * Data that were kept outside their folder (see place.ts), when the folder itself was in the system's temporary folder
 * and is gone: of a test, or of a trial. Nobody can ever find them again, so they are removed. Folders elsewhere are
 * left alone: a disk may merely be unplugged.
 */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { kill } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { BELONGS_TO, GROUND_PREFIX } from './place.js';
import { findPostmaster } from './postmaster.js';

const PAUSE_MILLISECONDS = 50;
const STOP_MILLISECONDS = 5_000;

async function isGone(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}

async function isAbandoned(ground: string): Promise<boolean> {
  const folder = await readFile(join(ground, BELONGS_TO), 'utf8').catch(() => null);
  if (folder === null || relative(tmpdir(), folder).startsWith('..')) return false;
  return isGone(folder);
}

async function stopAtOnce(data: string): Promise<boolean> {
  const end = Date.now() + STOP_MILLISECONDS;
  const server = await findPostmaster(data);
  if (server) kill(server.pid, 'SIGQUIT');
  while (await findPostmaster(data)) {
    if (Date.now() > end) return false;
    await sleep(PAUSE_MILLISECONDS);
  }
  return true;
}

/** Removes abandoned data next to `ground`, and stops a server that still runs on them. */
export async function removeLeftovers(ground: string): Promise<void> {
  const parent = dirname(ground);
  for (const name of await readdir(parent)) {
    const other = join(parent, name);
    if (!name.startsWith(GROUND_PREFIX) || other === ground || !(await isAbandoned(other))) continue;
    if (await stopAtOnce(join(other, 'data'))) await rm(other, { recursive: true, force: true });
  }
}
