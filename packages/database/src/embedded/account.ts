/** The operating system user that Postgres runs as: it refuses to run as root. And what that user can reach. */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './error.js';

const run = promisify(execFile);

export interface Account {
  uid: number;
  gid: number;
}

const USER = 'postgres';

async function lookUp(): Promise<Account | null> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', USER]), run('id', ['-g', USER])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    // `id` has no other way to say that there is no such user.
    return null;
  }
}

/**
 * The user to run as; null means the current one. Root gets the system's user `postgres`, which is created where it
 * is absent. @throws EmbeddedPostgresError `no-account`
 */
export async function findAccount(): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const existing = await lookUp();
  if (existing) return existing;
  let failure: unknown;
  try {
    await run('useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
      USER,
    ]);
  } catch (error) {
    // Another start may have created it at the same moment, so look before giving up.
    failure = error;
  }
  const created = await lookUp();
  if (created) return created;
  throw new EmbeddedPostgresError(
    'no-account',
    `PostgreSQL refuses to run as root, there is no user "${USER}", and one could not be created. ` +
      'Start as an ordinary user, create that user, or set DATABASE_URL to a server of your own.',
    { cause: failure },
  );
}

/** Whether the account may enter every folder above `path`. The current user (null) is assumed to. */
export async function canReach(account: Account | null, path: string): Promise<boolean> {
  if (!account) return true;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const { uid, gid, mode } = await stat(folder);
    const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
