/** A process with another clock, and on a disk that is full or read-only, as the chaos makes them: without rights and without mounts. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const HOUR = 3600_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-bent-'));
  await mkdir(join(folder, 'orders'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const order = (name: string, text: string) => writeFile(join(folder, 'orders', name), text);

/** Runs a module in a bent process. @returns what it wrote, as JSON */
async function bent(code: string): Promise<unknown> {
  const env = {
    ...process.env,
    NODE_OPTIONS: `--import=${new URL('../chaos/bent.mjs', import.meta.url)}`,
    RELA_CHAOS_ORDERS: join(folder, 'orders'),
    RELA_CHAOS_PROGRAM: 'one',
    RELA_CHAOS_DISK: join(folder, 'disk'),
  };
  const cwd = new URL('.', import.meta.url);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { env, cwd });
  return JSON.parse(stdout);
}

const WRITE = `
import { openStore } from '@rela/storage';
const store = openStore(process.env.RELA_CHAOS_DISK + '/artifacts');
const bytes = new TextEncoder().encode('some bytes');
const told = await store.write(bytes).then(({ bytes }) => bytes, ({ code, detail }) => [code, detail]);
console.log(JSON.stringify(told));`;

it('has no room for an artifact where its disk is full, and leaves no half of one', async () => {
  expect(await bent(WRITE)).toBe(10);
  await order('disk', 'ENOSPC');
  expect(await bent(WRITE)).toEqual(['storage-full', expect.stringContaining('(ENOSPC)')]);
  await order('disk', '');
  expect(await readdir(join(folder, 'disk', 'artifacts', 'incoming'))).toEqual([]);
  expect(await bent(WRITE)).toBe(10);
});

it('changes nothing where its disk is read-only', async () => {
  await order('disk', 'EROFS');
  expect(await bent(WRITE)).toEqual(['unavailable', expect.stringContaining('(EROFS)')]);
  await order('disk', '');
  expect(await bent(WRITE)).toBe(10);
});

it('goes by its own clock, in threads and child processes too, and another program by the true one', async () => {
  const clocks = `
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
const code = "import { parentPort } from 'node:worker_threads'; parentPort.postMessage(Date.now())";
const [thread] = await once(new Worker(code, { eval: true }), 'message');
const child = Number(execFileSync(process.execPath, ['-p', 'Date.now()']));
const another = Number(execFileSync(process.execPath, ['-p', 'Date.now()'], { env: { ...process.env, RELA_CHAOS_PROGRAM: 'two' } }));
const whole = new Date(0) instanceof Date && new Date(5).getTime() === 5;
console.log(JSON.stringify({ own: Date.now(), made: new Date().getTime(), thread, child, another, whole }));`;
  await order('clock.one', String(-26 * HOUR));
  const told = (await bent(clocks)) as Record<string, number | boolean>;
  expect(told.whole).toBe(true);
  for (const [name, shift] of Object.entries({ own: -26, made: -26, thread: -26, child: -26, another: 0 }))
    expect((Number(told[name]) - Date.now()) / HOUR, name).toBeCloseTo(shift, 1);
});
