/** One Postgres server process: making its data folder, starting it, finding one that was left behind, stopping it. */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  access,
  chown,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { kill, platform } from 'node:process';
import { promisify } from 'node:util';
import type { Account } from './account.js';
import { EmbeddedPostgresError } from './error.js';
import type { Place } from './place.js';
import type { Programs } from './programs.js';

const run = promisify(execFile);

const LARGEST_LOG_BYTES = 4 * 1024 ** 2;

/** Small in memory, durable as ever: fsync and synchronous_commit keep their default, which is on. */
const SETTINGS: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  // Socket paths are limited to 107 bytes, and the folder's may be longer; TCP is all we use.
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  work_mem: '4MB',
  // The default is that of a disk with a head, by which reading whole tables seems cheaper than a few rows by an index.
  random_page_cost: '1.1',
  maintenance_work_mem: '32MB',
  // With less, a large job makes a checkpoint every few seconds, and behind each of them every page that changes is logged whole.
  max_wal_size: '1GB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_parallel_workers_per_gather: '0',
  // Three I/O processes less.
  io_method: 'sync',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
  // One process less; there is nothing to replicate.
  max_logical_replication_workers: '0',
};

export interface Postmaster {
  pid: number;
  /** null while the server is still writing it down */
  port: number | null;
}

export interface Server {
  place: Place;
  account: Account | null;
  programs: Programs;
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Makes the data folder where there is none. Several processes may try at once: one rename wins. */
export async function initialise({ place, account, programs }: Server): Promise<void> {
  if (await isThere(join(place.data, 'PG_VERSION'))) return;
  const draft = `${place.data}.${randomBytes(6).toString('hex')}`;
  const passwordFile = `${draft}.password`;
  try {
    await mkdir(draft, { mode: 0o700 });
    await writeFile(passwordFile, `${place.password}\n`, { mode: 0o600 });
    if (account)
      await Promise.all([draft, passwordFile].map((path) => chown(path, account.uid, account.gid)));
    await run(
      programs.initdb,
      [
        `--pgdata=${draft}`,
        '--username=rela',
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        '--encoding=UTF8',
        '--locale=C',
      ],
      { ...account, cwd: place.ground },
    );
    await rename(draft, place.data);
  } catch (error) {
    if (await isThere(join(place.data, 'PG_VERSION'))) return;
    throw new EmbeddedPostgresError(
      'start-failed',
      `The data folder ${place.data} could not be made: ${(error as Error).message}`,
      { cause: error },
    );
  } finally {
    await rm(passwordFile, { force: true });
    await rm(draft, { recursive: true, force: true });
  }
}

/** The command line of a live process; null where there is none, or only its zombie. */
async function commandLine(pid: number): Promise<string | null> {
  try {
    if (platform === 'linux') return (await readFile(`/proc/${pid}/cmdline`, 'utf8')) || null;
    if (platform === 'win32') return kill(pid, 0) ? 'postgres' : null;
    return (await run('ps', ['-o', 'command=', '-p', String(pid)])).stdout.trim() || null;
  } catch {
    // No such process: each of the three says so in its own way.
    return null;
  }
}

/**
 * The server that runs on this data folder, also one that an earlier process left behind. A pid file whose pid now
 * belongs to another program (after a reboot, or in a container) is removed: Postgres itself would refuse to start.
 */
export async function findPostmaster(data: string): Promise<Postmaster | null> {
  const path = join(data, 'postmaster.pid');
  let lines: string[];
  try {
    lines = (await readFile(path, 'utf8')).split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return null;
  const command = await commandLine(pid);
  if (command?.includes('postgres')) return { pid, port: Number(lines[3]) || null };
  if (command) await rm(path, { force: true });
  return null;
}

/** Starts the server in a session of its own, so that Ctrl-C in a terminal does not reach it before its users. */
export async function spawnPostmaster(
  { place, account, programs }: Server,
  port: number,
): Promise<{ exited: Promise<void> }> {
  const size = await stat(place.log).then(
    (log) => log.size,
    () => 0,
  );
  if (size > LARGEST_LOG_BYTES) await truncate(place.log);
  const log = await open(place.log, 'a', 0o600);
  try {
    const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(programs.postgres, ['-D', place.data, '-p', String(port), ...settings], {
      ...account,
      cwd: place.ground,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    child.unref();
    return { exited };
  } finally {
    await log.close();
  }
}

/** Stops the server that runs on this data folder, if one does: disconnects its clients, writes everything down. */
export async function stopPostmaster({ place, account, programs }: Server): Promise<void> {
  for (const mode of ['fast', 'immediate']) {
    if (!(await findPostmaster(place.data))) return;
    try {
      await run(programs.pgCtl, ['stop', '-D', place.data, '-m', mode, '-w', '-t', '20'], {
        ...account,
        cwd: place.ground,
      });
      return;
    } catch (error) {
      // It may have gone by itself in between; otherwise the stronger mode comes next.
      if (mode === 'immediate' && (await findPostmaster(place.data)))
        throw new EmbeddedPostgresError(
          'start-failed',
          `The PostgreSQL server of ${place.data} does not stop: ${(error as Error).message}`,
          { cause: error },
        );
    }
  }
}

/** The end of the server's log, for an error message. */
export async function logTail(place: Place): Promise<string> {
  return readFile(place.log, 'utf8').then(
    (text) => text.trimEnd().split('\n').slice(-8).join('\n'),
    () => '(no log)',
  );
}
