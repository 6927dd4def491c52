/** Folders for files that nobody needs after the work. Those of a process that was killed go a day later, when another one wants a folder. */
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'rela-scratch-';
/** Older than any work that has a folder: what is left belongs to nobody. */
const ABANDONED_MS = 24 * 3600 * 1000;

/**
 * Runs `work` with a new folder, which is gone afterwards.
 * @param name what it is for, seen by who looks into `place`
 * @param place where the folder is made, the system's temporary folder where absent
 */
export async function withScratch<T>(
  name: string,
  work: (folder: string) => Promise<T>,
  place: string = tmpdir(),
): Promise<T> {
  await mkdir(place, { recursive: true });
  const folder = await mkdtemp(join(place, `${PREFIX}${name}-`));
  try {
    await removeAbandoned(place, folder);
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param young a folder made now: its time is that of the file system, whatever this process's clock says */
async function removeAbandoned(place: string, young: string): Promise<void> {
  const { mtimeMs: now } = await stat(young);
  for (const name of (await readdir(place)).filter((one) => one.startsWith(PREFIX))) {
    const path = join(place, name);
    // Gone meanwhile, or another user's: not for this process to remove.
    const found = await stat(path).catch(() => null);
    if (found && now - found.mtimeMs > ABANDONED_MS)
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
