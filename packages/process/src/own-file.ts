/**
 * Files of one process in a folder that others use too, for as long as its work takes. What a process leaves behind that was killed, or that a
 * disk did not let remove them, goes when the next one wants a file there.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { kill, pid } from 'node:process';

/** Process ids are those of a machine, or of a container, which has a name of its own. */
const HOST = hostname().replaceAll(/[^\w-]/g, '_');
/** Older than any work: so long a process id may have come to another process. */
const ABANDONED_MS = 24 * 3600 * 1000;

/** @param name what it is for; without dots. @returns a path in `folder`, which is there, that nothing has yet */
export async function ownFile(folder: string, name: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await removeOrphans(folder);
  return join(folder, `${name}.${HOST}.${pid}.${randomUUID()}`);
}

async function removeOrphans(folder: string): Promise<void> {
  for (const file of await readdir(folder)) {
    const path = join(folder, file);
    // What cannot be removed now, the next one removes.
    if (await isOrphan(path, file)) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isOrphan(path: string, file: string): Promise<boolean> {
  const [, host, owner] = file.split('.');
  if (host === HOST && !isAlive(Number(owner))) return true;
  const found = await stat(path).catch(() => null);
  return found !== null && Date.now() - found.mtimeMs > ABANDONED_MS;
}

function isAlive(owner: number): boolean {
  try {
    return kill(owner, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
