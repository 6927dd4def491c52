import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { kill } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { temporaryFolder } from '../testing/scratch.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './start.js';

const compiled = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

let folder: string;
let started: EmbeddedPostgres[];

beforeEach(async () => {
  folder = await temporaryFolder();
  started = [];
});
afterEach(async () => {
  for (const postgres of started) await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(port?: number): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ folder, ...(port === undefined ? {} : { port }) });
  started.push(postgres);
  return postgres;
}

/** A process of its own that starts the database in `folder` and says so. */
async function startElsewhere(): Promise<{ child: ChildProcess; pid: number }> {
  const program = `import { startEmbeddedPostgres } from ${JSON.stringify(compiled)};
    const postgres = await startEmbeddedPostgres({ folder: ${JSON.stringify(folder)} });
    process.stdout.write(String(await postgres.pid()));
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [text] = await once(child.stdout!, 'data');
  return { child, pid: Number(String(text)) };
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

it('keeps data, password and port from one start to the next', async () => {
  const first = await start();
  await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await first.stop();
  expect(await first.pid()).toBeNull();
  const second = await start();
  expect(second.url).toBe(first.url);
  expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
});

it('is durable and small, listens on this machine only, and wants its password', async () => {
  const { url } = await start();
  const rows = await query(
    url,
    `SELECT name, setting FROM pg_settings
     WHERE name IN ('fsync', 'synchronous_commit', 'jit', 'listen_addresses') ORDER BY name`,
  );
  expect(rows).toEqual([
    { name: 'fsync', setting: 'on' },
    { name: 'jit', setting: 'off' },
    { name: 'listen_addresses', setting: '127.0.0.1' },
    { name: 'synchronous_commit', setting: 'on' },
  ]);
  expect((await stat(join(folder, 'password'))).mode & 0o777).toBe(0o600);
  const { port } = new URL(url);
  await expect(query(`postgres://rela:wrong@127.0.0.1:${port}/postgres`, 'SELECT 1')).rejects.toMatchObject({
    code: '28P01',
  });
});

it('refuses a folder that another start holds', async () => {
  await start();
  await expect(startEmbeddedPostgres({ folder })).rejects.toMatchObject({ code: 'in-use' });
});

it('gives a folder to one of two that start in it at once', async () => {
  const outcomes = await Promise.allSettled([start(), start()]);
  expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected']);
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  expect(refused?.reason).toMatchObject({ code: 'in-use' });
});

it('takes over the server that a killed process left running', async () => {
  const { child, pid } = await startElsewhere();
  child.kill('SIGKILL');
  await once(child, 'exit');
  const postgres = await start();
  expect(await postgres.pid()).toBe(pid);
  expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

it('starts clean when both the process and the server were killed', async () => {
  const { child, pid } = await startElsewhere();
  child.kill('SIGKILL');
  kill(pid, 'SIGKILL');
  await once(child, 'exit');
  const postgres = await start();
  expect(await postgres.pid()).not.toBe(pid);
  expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

it('starts a server that was killed under it again, on the same address', async () => {
  const postgres = await start();
  kill((await postgres.pid())!, 'SIGKILL');
  for (;;) {
    try {
      expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      break;
    } catch {
      // Not back yet; the test's own timeout ends a wait in vain.
      await sleep(20);
    }
  }
  // The owner holds the folder again as soon as its guard is back.
  const guards = `SELECT 1 FROM pg_locks WHERE locktype = 'advisory'`;
  while ((await query(postgres.url, guards)).length === 0) await sleep(20);
  await expect(startEmbeddedPostgres({ folder })).rejects.toMatchObject({ code: 'in-use' });
});

it('keeps its data elsewhere, and says where, when its user may not enter the folder', async (context) => {
  if (process.getuid?.() !== 0) context.skip('only root runs the server as another user');
  await chmod(folder, 0o700);
  const notices: string[] = [];
  const first = await startEmbeddedPostgres({ folder, onNotice: (text) => notices.push(text) });
  started.push(first);
  const elsewhere = dirname(first.dataFolder);
  try {
    expect(elsewhere.startsWith(folder)).toBe(false);
    expect(notices.join()).toContain(elsewhere);
    await query(first.url, 'CREATE TABLE kept (id int)');
    await first.stop();
    const second = await start();
    expect(await query(second.url, 'SELECT * FROM kept')).toEqual([]);
    await second.stop();

    // Once the folder is gone, the next start that keeps its data elsewhere removes them.
    await rm(folder, { recursive: true });
    const other = join(await temporaryFolder(), 'closed');
    await mkdir(other, { mode: 0o700 });
    const third = await startEmbeddedPostgres({ folder: other });
    started.push(third);
    await expect(stat(elsewhere)).rejects.toMatchObject({ code: 'ENOENT' });
    await third.stop();
    await rm(dirname(third.dataFolder), { recursive: true });
    await rm(dirname(other), { recursive: true });
  } finally {
    await first.stop();
    await rm(elsewhere, { recursive: true, force: true });
  }
});

it('is not misled by a pid file whose pid is another program now', async () => {
  const first = await start();
  await first.stop();
  const file = join(first.dataFolder, 'postmaster.pid');
  await writeFile(file, `${process.pid}\n${first.dataFolder}\n1\n5432\n\n127.0.0.1\n`);
  const second = await start();
  expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

it('takes another port where the remembered one is taken, and refuses a wanted one that is', async () => {
  const first = await start();
  await first.stop();
  const { port } = new URL(first.url);
  const squatter = createServer().listen(Number(port), '127.0.0.1');
  await once(squatter, 'listening');
  try {
    await expect(startEmbeddedPostgres({ folder, port: Number(port) })).rejects.toMatchObject({
      code: 'start-failed',
    });
    const second = await start();
    expect(new URL(second.url).port).not.toBe(port);
    expect((await readFile(join(folder, 'port'), 'utf8')).trim()).toBe(new URL(second.url).port);
  } finally {
    squatter.close();
  }
});
