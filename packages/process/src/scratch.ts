/** Folders for files that nobody needs after the work. Those of a process that was killed go a day later, when another one wants a folder. */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'rela-scratch-';
/** Older than any work that has a folder: what is left belongs to nobody. */
const ABANDONED_MS = 24 * 3600 * 1000;

/** Runs `work` with a new folder, which is gone afterwards. @param name what it is for, seen by who looks into the temporary folder */
export async function withScratch<T>(name: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${name}-`));
  try {
    await removeAbandoned(folder);
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param young a folder made now: its time is that of the file system, whatever this process's clock says */
async function removeAbandoned(young: string): Promise<void> {
  const { mtimeMs: now } = await stat(young);
  for (const name of (await readdir(tmpdir())).filter((one) => one.startsWith(PREFIX))) {
    const path = join(tmpdir(), name);
    // Gone meanwhile, or another user's: not for this process to remove.
    const found = await stat(path).catch(() => null);
    if (found && now - found.mtimeMs > ABANDONED_MS)
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
