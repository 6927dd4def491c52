import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbeddedPostgres } from '@rela/database';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** The built process: `npm test` builds first. */
const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
let folder: string;
let postgres: Awaited<ReturnType<typeof startEmbeddedPostgres>>;
beforeAll(async () => {
  expect(existsSync(main), 'apps/api is built').toBe(true);
  folder = await mkdtemp(join(tmpdir(), 'rela-api-main-'));
  postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

function start(environment: Record<string, string>) {
  const child = fork(main, {
    env: { PATH: '/usr/bin', RELA_HOME: folder, API_PORT: '0', LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  return { child, exit: once(child, 'exit'), output: () => output };
}

async function ready({ child, exit, output }: ReturnType<typeof start>): Promise<string> {
  const ended = exit.then(([code]) => {
    throw new Error(`It ended with ${code} before it was ready: ${output()}`);
  });
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [{ type: string; url: string }];
  expect(message.type).toBe('ready');
  return message.url;
}

it.each(['SIGTERM', 'SIGINT'] as const)('migrates, serves, and stops in order on %s', async (signal) => {
  const api = start({ DATABASE_URL: postgres.url });
  const url = await ready(api);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  api.child.kill(signal);
  expect(await api.exit).toEqual([0, null]);
});

it('ends where its supervisor was gone before it was loaded', async () => {
  const api = start({ DATABASE_URL: postgres.url });
  api.child.disconnect();
  expect(await api.exit).toEqual([0, null]);
});

it('stops when its supervisor is gone', async () => {
  const api = start({ DATABASE_URL: postgres.url });
  await ready(api);
  api.child.disconnect();
  expect(await api.exit).toEqual([0, null]);
});

it('says what is missing where it cannot start', async () => {
  const { exit, output } = start({});
  expect(await exit).toEqual([1, null]);
  expect(output()).toContain('DATABASE_URL is not set');
  expect(output()).not.toContain('    at ');
});
