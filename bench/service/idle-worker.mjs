// A worker process as apps/embed-worker is one, whose stages return at once: what is left is everything around a stage. With RELA_BENCH_TELL
// it tells its parent when a stage starts, by the clock that all processes of a machine share.
import { env } from 'node:process';
import { loadConfig, requireDatabase } from '@rela/config';
import { openDatabase } from '@rela/database';
import { untilStopped } from '@rela/process';
import { startWorker } from '@rela/worker';
import { pino } from 'pino';
import { now } from './clock.mjs';

const digest = `sha256:${'0'.repeat(64)}`;
const results = {
  appraise: {
    ...{ kind: 'appraise', name: 'prior', prior: digest, images: 64, k: 64, rank: 64, effectiveRank: 32 },
    ...{ outlierShare: 0, repeatability: 1, agreement: 1, signal: 1, knn: null, secondsPerImage: 0.01 },
    ...{ refused: null, flags: [], width: 128, embeddings: digest, seconds: 0 },
  },
  embed: { kind: 'embed', embeddings: digest, statistics: digest, count: 64, width: 128, seconds: 0 },
  reduce: { kind: 'reduce', targets: digest, k: 64, seconds: 0, embedSeconds: 0 },
};

const config = loadConfig();
const { databaseUrl, queueUrl } = requireDatabase(config);
const tell = env.RELA_BENCH_TELL ? (stage) => process.send({ type: 'started', ...stage }) : () => undefined;

await untilStopped(
  async () => {
    const database = await openDatabase(databaseUrl);
    const handlers = Object.fromEntries(
      Object.entries(results).map(([kind, result]) => [
        kind,
        async ({ jobId }) => {
          tell({ jobId, kind, at: now() });
          return { result };
        },
      ]),
    );
    const worker = await startWorker({
      ...{ database, queueUrl, handlers, concurrency: config.embedConcurrency },
      ...{ leaseSeconds: config.leaseSeconds, maxAttempts: config.maxAttempts },
      log: pino({ name: 'idle-worker', level: config.logLevel }),
    });
    return {
      async stop() {
        await worker.stop();
        await database.close();
      },
    };
  },
  { name: 'idle worker', graceSeconds: 10 },
);
