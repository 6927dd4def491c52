// What does the service add to the time from acceptance to start? An idle service is sent one job after the other: from the answer 202 to the
// call of its first stage, against bare BullMQ on the same backend, from the end of `add` to the call of the processor.
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../pairs.mjs';
import { startBare } from '../service/bare.mjs';
import { now } from '../service/clock.mjs';
import { createWorld, jobs } from '../service/world.mjs';

const SAMPLES = 100;
const WARM_UP = 10;
/** Idle between two: everything of the one before has ended by then. */
const PAUSE_MS = 60;
const SHARDS = 3;
/** One that does not start in this time never does. */
const PATIENCE_MS = 10_000;

/** Pairs what was accepted with the start that is told of it, whichever comes first. */
function createStarts() {
  const starts = new Map();
  return {
    note: (id, at) => {
      if (!starts.has(id)) starts.set(id, at);
    },
    async of(id) {
      for (const end = now() + PATIENCE_MS; now() < end; await sleep(2))
        if (starts.has(id)) return starts.get(id);
      throw new Error(`${id} was accepted and did not start.`);
    },
  };
}

async function onBackend(backend, say) {
  const [ours, theirs] = [createStarts(), createStarts()];
  const world = await createWorld({
    programs: ['api', 'orchestrator', 'idle-worker'],
    queue: backend,
    environment: { RELA_BENCH_TELL: '1' },
    onMessage: ({ type, jobId, kind, at }) =>
      type === 'started' && kind === 'appraise' && ours.note(jobId, at),
  });
  const bare = await startBare({
    ...{ url: world.queueUrl, concurrency: 1, tell: true },
    onLine: ({ number, at }) => theirs.note(number, at),
  });
  const times = { ours: [], theirs: [] };
  try {
    const { id: dataset } = await world.addDataset('images', SHARDS);
    for (let number = 0; number < WARM_UP + SAMPLES; number++) {
      const { id } = await world.ask('/v1/jobs', jobs['ReLA and its control'](dataset));
      const accepted = now();
      const own = (await ours.of(id)) - accepted;
      await sleep(PAUSE_MS);
      await bare.queue.add('one', { number });
      const added = now();
      const other = (await theirs.of(number)) - added;
      await sleep(PAUSE_MS);
      if (number < WARM_UP) continue;
      times.ours.push(own);
      times.theirs.push(other);
    }
  } finally {
    await bare.stop();
    await world.close();
  }
  return [
    ['p50', 0.5],
    ['p99', 0.99],
  ].map(([name, share]) => {
    const [value, reference] = [quantile(times.ours, share), quantile(times.theirs, share)];
    say(`${backend}, ${name}: ${value.toFixed(2)} ms against ${reference.toFixed(2)} ms`);
    return {
      ...{ name: `${name}, ${backend}`, unit: 'ms', value, reference, ratio: null, lowerQuartile: null },
      ...{ added: value - reference, peer: 'bare BullMQ', samples: SAMPLES, dropped: 0 },
    };
  });
}

export async function measure(say) {
  return [...(await onBackend('redis', say)), ...(await onBackend('postgres', say))];
}
