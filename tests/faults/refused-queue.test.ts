/** A queue that refuses us is not waited for: the processes that need it end, and say why. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { childEnvironment } from '@rela/config';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@rela/database';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  hasRedis7,
  type RedisProcess,
  startRedisProcess,
} from '../../packages/queue/testing/redis-process.js';

const hasServer = await hasRedis7();
const name = hasServer ? '' : ' (no redis-server 7 on the PATH)';

// Apps are no dependencies of the tests: they are started by path, as the command line does it.
const require = createRequire(createRequire(import.meta.url).resolve('@rela/cli'));
const programOf = (app: string) => join(dirname(require.resolve(`@rela/${app}`)), 'main.js');

let folder: string;
let postgres: EmbeddedPostgres | undefined;
let redis: RedisProcess | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-refused-'));
  if (!hasServer) return;
  postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  redis = await startRedisProcess(() => ['user rela on >right ~* &* +@all']);
});
afterAll(async () => {
  await redis?.remove();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

it.skipIf(!hasServer).each(['orchestrator', 'embed-worker', 'train-worker'])(
  `the %s ends with the reason where the queue refuses its password${name}`,
  async (app) => {
    const env = childEnvironment({
      DATABASE_URL: postgres!.url,
      QUEUE_URL: `redis://rela:wrong@127.0.0.1:${redis!.port}`,
      RELA_HOME: join(folder, app),
      LOG_LEVEL: 'warn',
    });
    const ended = await new Promise<{ code: number | null; stderr: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        [programOf(app)],
        { env, timeout: 60_000 },
        (_error, _out, stderr) => resolve({ code: child.exitCode, stderr }),
      );
    });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('WRONGPASS');
    expect(ended.stderr).toContain('QUEUE_URL');
  },
);
