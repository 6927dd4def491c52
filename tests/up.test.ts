/** `rela up`: the whole service as processes that come and go together. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { RelaClient } from '@rela/sdk';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { rela, relaUp, type Up } from './rela.js';

const PATIENCE = { timeout: 60_000, interval: 100 };

let folder: string;
let home: string;
let running: Up[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-up-'));
  home = join(folder, 'a home');
  running = [];
});
afterEach(async () => {
  for (const up of running) {
    up.process.kill('SIGTERM');
    await up.ended;
  }
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<Up> {
  const up = await relaUp(home);
  running.push(up);
  return up;
}

function isThere(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch {
    // ESRCH: that is the answer.
    return false;
  }
}
const left = (up: Up) => up.parts.filter(({ pid }) => isThere(pid)).map(({ name }) => name);

it('starts every part, refuses a second start on its home, and leaves nothing after Ctrl-C', async () => {
  const up = await start();
  const names = ['postgres', 'api', 'orchestrator', 'embed-worker', 'train-worker'];
  expect(up.parts.map(({ name }) => name)).toEqual(names);
  expect(left(up)).toEqual(names);
  await new RelaClient({ baseUrl: up.url }).health.ready();

  const second = await rela('up', '--port', '0', '--home', home);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(up.url);

  up.process.kill('SIGINT');
  expect(await up.ended).toBe(0);
  expect(left(up)).toEqual([]);
  expect(await readdir(home)).not.toContain('up.json');
});

it('brings back a part that was killed, at the same address', async () => {
  const up = await start();
  const client = new RelaClient({ baseUrl: up.url, attempts: 1 });
  for (const name of ['api', 'embed-worker'])
    kill(up.parts.find((part) => part.name === name)?.pid ?? 0, 'SIGKILL');
  await vi.waitFor(async () => {
    const { children } = JSON.parse(await readFile(join(home, 'up.json'), 'utf8'));
    const pids = children.map(({ pid }: { pid: number }) => pid);
    expect(pids).toHaveLength(4);
    expect(pids.every(isThere)).toBe(true);
    await client.health.ready();
  }, PATIENCE);
});

it('after kill -9 takes its parts with it, and starts clean with what it had', async () => {
  const first = await start();
  const client = new RelaClient({ baseUrl: first.url });
  const { id } = await client.datasets.create({
    name: 'absent',
    source: { kind: 'folder', path: join(folder, 'no') },
  });
  first.process.kill('SIGKILL');
  await first.ended;
  const parts = () => left(first).filter((name) => name !== 'postgres');
  await vi.waitUntil(() => parts().length === 0, PATIENCE);

  const second = await start();
  const again = await new RelaClient({ baseUrl: second.url }).datasets.get(id);
  expect(again.name).toBe('absent');
  second.process.kill('SIGINT');
  expect(await second.ended).toBe(0);
  // The database that was taken over is nobody's child: init says when it is gone.
  await vi.waitUntil(() => left(first).length + left(second).length === 0, PATIENCE);
});

it('starts clean at once after kill -9, before its old parts are gone', async () => {
  const first = await start();
  first.process.kill('SIGKILL');
  const second = await start();
  expect(left(first).filter((name) => name !== 'postgres')).toEqual([]);
  await new RelaClient({ baseUrl: second.url }).health.ready();
});

it('does not start on a port that is taken, and leaves nothing behind', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = z.object({ port: z.number() }).parse(other.address());
  const refused = await rela('up', '--port', String(port), '--home', home);
  await new Promise((resolve) => other.close(resolve));
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`Port ${port} on 127.0.0.1 is taken`);
  expect(await readdir(home)).toEqual(['postgres']);
});

it('is stopped while it is starting', async () => {
  const starting = relaUp(home).catch((error: Error) => error.message);
  await vi.waitUntil(
    async () => (await readdir(home).catch((): string[] => [])).includes('up.json'),
    PATIENCE,
  );
  const { owner } = JSON.parse(await readFile(join(home, 'up.json'), 'utf8'));
  kill(owner.pid, 'SIGTERM');
  expect(await starting).toMatch(/ended with 0/);
  expect(await readdir(home)).not.toContain('up.json');
});
