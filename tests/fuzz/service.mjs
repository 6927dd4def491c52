// The API as a process of its own, with something in it for requests to find.
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment } from '@rela/config';
import { migrate, openDatabase, startEmbeddedPostgres } from '@rela/database';
import { RelaClient } from '@rela/sdk';
import { openStore } from '@rela/storage';
import { createProgram, freePort, programOf } from '../programs.mjs';

const MANIFEST = {
  ...{ version: 1, classes: ['round', 'square'], channels: 1, imageSize: { height: 16, width: 16 } },
  ...{ mean: [0.5], std: [0.25] },
  splits: {
    train: { count: 64, shards: [{ digest: `sha256:${'a'.repeat(64)}`, count: 64, bytes: 64 * 256 }] },
    test: null,
  },
};

/** A data set is made ready as a worker does it, without one: nothing that is submitted here is to be worked at. */
async function fill(client, database, store) {
  const name = 'shapes';
  const { id } = await client.datasets.create({ name, source: { kind: 'recipe', recipe: 'mnist' } });
  const { digest, bytes } = await store.write(new TextEncoder().encode(JSON.stringify(MANIFEST)));
  const [{ stageId, dispatch }] = await database.outbox.take(1);
  const claim = await database.stages.claim({ worker: 'fuzz', leaseSeconds: 60, stageId, dispatch });
  const undecodable = { count: 0, examples: [] };
  const result = { kind: 'ingest', manifest: digest, bytes, undecodable, seconds: 0 };
  await database.stages.succeed(claim, result, { facts: { manifest: MANIFEST } });
  const source = {
    kind: 'random',
    backbone: { name: 'resnet18-narrow' },
    imageSize: 16,
    channels: 1,
    seed: 1,
  };
  const prior = await client.priors.create({ name: 'untrained', source });
  const runs = [{ name: 'only', method: { name: 'supervised' }, epochs: 1, batchSize: 8 }];
  const job = await client.jobs.create({ dataset: name, runs });
  const webhook = await client.webhooks.create({ url: 'https://example.com/', events: ['job.cancelled'] });
  const delivery = await client.webhooks.ping(webhook.id);
  const schedule = await client.schedules.create({
    name: 'nightly',
    cron: '@daily',
    job: { dataset: name, runs },
  });
  const { jobId } = await client.schedules.trigger(schedule.id);
  return [
    ...[name, id, digest, 'untrained', prior.id, prior.model, job.id, job.runs[0].id],
    ...[webhook.id, delivery.id, 'nightly', schedule.id, jobId],
  ];
}

/** @returns { port, known, residentBytes(), stop(), logFile } */
export async function startService() {
  const folder = await mkdtemp(join(tmpdir(), 'rela-fuzz-'));
  const home = join(folder, 'home');
  await mkdir(home);
  const logFile = join(folder, 'api.log');
  const log = await open(logFile, 'a');
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  let api = null;
  const stop = async ({ keep = false } = {}) => {
    await api?.stop();
    await postgres.stop();
    await log.close();
    if (!keep) await rm(folder, { recursive: true, force: true });
  };
  try {
    await migrate(postgres.url);
    const port = await freePort();
    const environment = {
      DATABASE_URL: postgres.url,
      RELA_HOME: home,
      API_PORT: String(port),
      LOG_LEVEL: 'error',
    };
    api = createProgram({
      name: 'api',
      file: programOf('api'),
      environment: childEnvironment(environment),
      log: log.fd,
    });
    await api.start();
    const database = await openDatabase(postgres.url);
    const client = new RelaClient({ baseUrl: `http://127.0.0.1:${port}` });
    const known = await fill(client, database, openStore(join(home, 'artifacts'))).finally(database.close);
    return {
      ...{
        port,
        known,
        stop,
        logFile,
        document: await (await fetch(`http://127.0.0.1:${port}/openapi.json`)).json(),
      },
      get deaths() {
        return api.deaths;
      },
      /** null where the system does not say. */
      async residentBytes() {
        const status = await readFile(`/proc/${api.pid}/status`, 'utf8').catch(() => '');
        const [, kibibytes] = /VmRSS:\s+(\d+) kB/.exec(status) ?? [];
        return kibibytes === undefined ? null : 1024 * Number(kibibytes);
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
