// How long does an event take to 1,000 readers? Server-sent events of one job that all of them follow, and of 1,000 jobs with a reader each; from
// the moment at which the event was written down, which is before its transaction commits, to its arrival in the readers' process.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { quantile } from '../pairs.mjs';
import { startPeer } from '../peer.mjs';
import { createWorld, headers, jobs } from '../service/world.mjs';

const script = fileURLToPath(new URL('../service/readers.mjs', import.meta.url));
const READERS = 1000;
/** Of one job, one after the other; each goes to all readers. */
const EVENTS = 60;
/** Of the many, at this pace; each goes to one reader. */
const SPREAD_EVENTS = 1000;
const PAUSE_MS = 250;
const SPREAD_PAUSE_MS = 5;
const SETTLED_MS = 3000;
const SUBMITTED_AT_ONCE = 20;
const WARM_UP = 5;
const worker = { worker: 'bench', leaseSeconds: 60 };

async function following(world, ids) {
  const readers = await startPeer(
    [
      process.execPath,
      script,
      JSON.stringify({ url: world.url, headers, paths: ids.map((id) => `/v1/jobs/${id}/events`) }),
    ],
    'The readers',
  );
  await sleep(SETTLED_MS);
  return readers;
}

/** Two events: a claim, which is the second one of the first time, and handing it back. */
async function stir(world, stageId, round) {
  const claim = await world.database.stages.claim({ ...worker, stageId, dispatch: round + 1 });
  await world.database.stages.release(claim);
}

function caseOf(name, delays, wanted, say) {
  if (delays.length < wanted) throw new Error(`${delays.length} of ${wanted} events arrived.`);
  return [
    ['p50', 0.5],
    ['p99', 0.99],
  ].map(([share, at]) => {
    const value = quantile(delays, at);
    say(`${name}, ${share}: ${value.toFixed(1)} ms of ${delays.length}`);
    return {
      ...{ name: `${name}, ${share}`, unit: 'ms', value, reference: null, ratio: null },
      ...{ lowerQuartile: null, samples: delays.length, dropped: 0 },
    };
  });
}

export async function measure(say) {
  const world = await createWorld({ programs: ['api'] });
  try {
    const { id: dataset } = await world.addDataset('images', 1);
    const submit = async () => {
      const { id } = await world.ask('/v1/jobs', jobs['a run'](dataset));
      const [train] = await world.database.stages.listByJob(id);
      return { id, stageId: train.id };
    };
    const one = await submit();
    const together = await following(
      world,
      Array.from({ length: READERS }, () => one.id),
    );
    for (let round = 0; round < WARM_UP; round++) {
      await stir(world, one.stageId, round);
      await sleep(PAUSE_MS);
    }
    await together.ask();
    for (let round = WARM_UP; round < WARM_UP + EVENTS / 2; round++) {
      await stir(world, one.stageId, round);
      await sleep(PAUSE_MS);
    }
    await sleep(SETTLED_MS);
    const { delays } = await together.ask();
    const ofOne = caseOf(`${READERS} readers of one job`, delays, READERS * EVENTS, say);
    together.stop();
    await sleep(SETTLED_MS);

    const many = [];
    while (many.length < READERS)
      many.push(...(await Promise.all(Array.from({ length: SUBMITTED_AT_ONCE }, submit))));
    const apart = await following(
      world,
      many.map(({ id }) => id),
    );
    await apart.ask();
    for (let round = 0; round < SPREAD_EVENTS / 2; round++) {
      await stir(world, many[round].stageId, 0);
      await sleep(SPREAD_PAUSE_MS);
    }
    await sleep(SETTLED_MS);
    const ofMany = (await apart.ask()).delays;
    apart.stop();
    return [...ofOne, ...caseOf(`${READERS} readers of a job each`, ofMany, SPREAD_EVENTS, say)];
  } finally {
    await world.close();
  }
}
