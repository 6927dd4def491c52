// How many stages a second go through the service when they are no work? A job whose data set has 100,000 shards, from its acceptance to its
// end: appraise, embed × 100,000, reduce, each claimed, kept and committed by the workers' own code. Against bare BullMQ on Redis with the same
// concurrency, which stores nothing durably: 100,000 jobs, from the first `add` to the last one done.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { inTurn } from '../pairs.mjs';
import { startBare } from '../service/bare.mjs';
import { createWorld } from '../service/world.mjs';

const SHARDS = 100_000;
const CONCURRENCY = 100;
const PAIRS = 3;
/** As many as ReLA's relay sends in one go. */
const ADDED_AT_ONCE = 500;
const LOOK_MS = 100;

/** Small runs of both warm them up, and show early where something does not work. */
export const parts = ['small'];

async function submitted(world, dataset) {
  const began = performance.now();
  const { id } = await world.ask('/v1/jobs', { dataset, prior: 'prior', targets: {}, reuse: false });
  return { id, seconds: (performance.now() - began) / 1000 };
}

/** @returns seconds from acceptance to end */
async function worked(world, dataset, { client, say }) {
  const { id, seconds } = await submitted(world, dataset);
  say(`submitted in ${seconds.toFixed(2)} s`);
  const began = performance.now();
  for (;;) {
    // Not by the API: to count a hundred thousand stages is work too.
    const { rows } = await client.query('SELECT status, error FROM job WHERE id = $1', [id]);
    const [{ status, error }] = rows;
    if (status === 'succeeded') return (performance.now() - began) / 1000;
    if (status === 'failed' || status === 'cancelled') throw new Error(`The job has ${status}: ${error}`);
    await sleep(LOOK_MS / 5);
  }
}

export async function measure(say, [size]) {
  const shards = size === 'small' ? SHARDS / 20 : SHARDS;
  const world = await createWorld({
    programs: ['api', 'orchestrator', 'idle-worker'],
    queue: 'redis',
    environment: { EMBED_CONCURRENCY: String(CONCURRENCY) },
  });
  const client = new pg.Client(world.postgres.url);
  await client.connect();
  let done = 0;
  const bare = await startBare({
    ...{ url: world.queueUrl, concurrency: CONCURRENCY, tell: false },
    onLine: (told) => {
      done = told.done;
    },
  });
  let number = 0;
  const theirs = async () => {
    const wanted = number + shards;
    const began = performance.now();
    while (number < wanted)
      await bare.queue.addBulk(
        Array.from({ length: Math.min(ADDED_AT_ONCE, wanted - number) }, () => ({
          name: 'one',
          data: { number: number++ },
        })),
      );
    while (done < wanted) await sleep(LOOK_MS / 5);
    return (performance.now() - began) / 1000;
  };
  try {
    const { id: dataset } = await world.addDataset('images', shards);
    const timing = await inTurn(theirs, () => worked(world, dataset, { client, say }), {
      ...{ pairs: PAIRS, warmUp: 0 },
      say: (text) => say(`the peer first, ${text}`),
    });
    const { value: peer, reference: own, ...rest } = timing;
    return [
      {
        ...{ name: `${shards} shards, ${CONCURRENCY} at once`, unit: 'stages/s', ...rest },
        ...{ value: (shards + 2) / own, reference: shards / peer, peer: 'bare BullMQ on Redis' },
      },
    ];
  } finally {
    await bare.stop();
    await client.end();
    await world.close();
  }
}
