// The service as it is deployed, for benches of what is around the stages: an embedded Postgres, Redis where it is asked for, and the
// processes of the service, each as its main.ts starts it. A data set and a prior are there; nothing reads their bytes.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '@rela/config';
import { migrate, openDatabase, startEmbeddedPostgres } from '@rela/database';
import { openQueue } from '@rela/queue';
import { openStore } from '@rela/storage';
import { createProgram, freePort, programOf } from '../../tests/programs.mjs';

const idleWorker = fileURLToPath(new URL('./idle-worker.mjs', import.meta.url));
/** Images of a shard; how many makes no difference here. */
const SHARD = 64;

export const digestOf = (text) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

async function startRedis(folder) {
  const port = await freePort();
  const child = spawn('redis-server', ['--port', String(port), '--save', '', '--dir', folder], {
    stdio: 'ignore',
  });
  await once(child, 'spawn');
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

export function manifestOf(shards) {
  const part = (index) => ({ digest: digestOf(`shard ${index}`), count: SHARD, bytes: SHARD * 784 });
  return {
    version: 1,
    classes: ['round', 'square'],
    channels: 1,
    imageSize: { height: 28, width: 28 },
    mean: [0.5],
    std: [0.25],
    splits: {
      train: { count: shards * SHARD, shards: Array.from({ length: shards }, (_, index) => part(index)) },
      test: null,
    },
  };
}

const prior = {
  ...{ name: 'prior', digest: digestOf('prior'), model: digestOf('model'), input: 'x', output: 'y' },
  ...{ pool: false, batch: null, width: 128, source: { kind: 'artifact', digest: digestOf('model') } },
  preprocessing: {
    ...{ height: 28, width: 28, channels: 1, layout: 'nchw', dtype: 'float32', scale: 'unit' },
    ...{ mean: [0.5], std: [0.25] },
  },
};

/** What every request carries: the key of RELA_API_KEY, where there is one. */
export const headers = env.RELA_API_KEY ? { authorization: `Bearer ${env.RELA_API_KEY}` } : {};

/**
 * @param options.programs names of apps, or 'idle-worker': a worker whose stages return at once
 * @param options.queue 'redis' or 'postgres'
 * @param options.environment of the programs, beside the addresses
 * @param options.onMessage hears what they tell their parent
 */
export async function createWorld({
  programs: names,
  queue = 'postgres',
  environment = {},
  onMessage = () => undefined,
}) {
  const folder = await mkdtemp(join(tmpdir(), 'rela-bench-'));
  const storage = join(folder, 'artifacts');
  await mkdir(storage);
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  await migrate(postgres.url);
  const redis = queue === 'redis' ? await startRedis(folder) : null;
  const queueUrl = redis?.url ?? postgres.url;
  const port = await freePort();
  const log = await open(join(folder, 'log.jsonl'), 'a');
  const settings = childEnvironment({
    ...{ DATABASE_URL: postgres.url, QUEUE_URL: queueUrl, STORAGE_URL: storage },
    ...{ RELA_HOME: join(folder, 'home'), API_PORT: String(port), THREADS: '1', ...environment },
  });
  const programs = names.map((name) => {
    const file = name === 'idle-worker' ? idleWorker : programOf(name);
    return createProgram({ name, file, environment: settings, log: log.fd, onMessage });
  });
  for (const program of programs) await program.start();
  const database = await openDatabase(postgres.url);
  const store = openStore(storage);
  await database.priors.create(prior);
  const end = async () => {
    for (const program of programs) await program.stop();
    await database.close();
    await redis?.stop();
    await postgres.stop();
    await log.close();
    await rm(folder, { recursive: true, force: true });
  };
  let ending = null;
  const close = () => (ending ??= end());
  // A bench that is interrupted leaves no server behind, which would work beside the next one.
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => void close().finally(() => process.exit(1)));
  return {
    ...{ folder, postgres, queueUrl, database, programs },
    url: `http://127.0.0.1:${port}`,
    openQueue: () => openQueue(queueUrl),
    /** A data set that is ready, of as many shards. */
    async addDataset(name, shards) {
      const manifest = manifestOf(shards);
      const source = { kind: 'folder', path: '/images' };
      const { dataset, stageId } = await database.datasets.create({
        ...{ name, source, tolerance: 0, shardSize: SHARD },
      });
      const claim = await database.stages.claim({ stageId, dispatch: 1, worker: 'bench', leaseSeconds: 60 });
      const { digest, bytes } = await store.write(Buffer.from(JSON.stringify(manifest)));
      const result = { kind: 'ingest', manifest: digest, bytes, undecodable: { count: 0, examples: [] } };
      await database.stages.succeed(claim, { ...result, seconds: 1 }, { facts: { manifest } });
      return dataset;
    },
    /** Sends JSON and gives the answer's. */
    async ask(path, body) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      });
      const answer = await response.json();
      if (!response.ok) throw new Error(`${path} answered ${response.status}: ${JSON.stringify(answer)}`);
      return answer;
    },
    close,
  };
}

/** The two kinds of job that are submitted: a run alone, and ReLA with its control. */
export const jobs = {
  'a run': (dataset) => ({ dataset, runs: [{ name: 'only', method: { name: 'byol' }, batchSize: 32 }] }),
  'ReLA and its control': (dataset) => ({
    ...{ dataset, prior: 'prior', reuse: false, name: `night ${randomBytes(4).toString('hex')}` },
    runs: [
      { name: 'accelerated', method: { name: 'byol' }, rela: {}, dataRatio: 0.5, batchSize: 32 },
      { name: 'control', method: { name: 'byol' }, batchSize: 32 },
    ],
  }),
};
