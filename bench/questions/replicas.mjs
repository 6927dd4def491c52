// Do several replicas on one machine pay? A step of two replicas, a thread and a half of the batch each, which average their gradients
// through shared memory, against a step of one replica that has the whole batch, on both threads and on one. Ratios below 1: replicas
// pay. One thread is asked because a step on two waits for the slower one in every operation: where others use the processors, one
// may be the faster, and replicas, which wait once a step, have to be faster than that.
// Of the replicas' step, what the exchange takes (posting the gradients, adding them up), and how long a replica waits for the other.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { startOurs } from '../ours.mjs';
import { inTurn, quantile } from '../pairs.mjs';
import { watchOthers } from '../processor-seconds.mjs';
import { RESNET18 } from '../work.mjs';

const REPLICAS = 2;
const BYTES = Float32Array.BYTES_PER_ELEMENT;

const narrow = { kind: 'byol', model: 'resnet18-narrow', size: 28, channels: 1, stem: 'modified' };
/** Eleven million parameters and a short step, the same and a long one, and a network with few. */
const works = {
  'ResNet-18, batch 32': { work: { ...RESNET18, batch: 32 }, pairs: 7 },
  'ResNet-18, batch 128': { work: { ...RESNET18, batch: 128 }, pairs: 4 },
  'the demo’s BYOL, batch 128': { work: { ...narrow, batch: 128 }, pairs: 7 },
};

/** @returns { bytes, step, stop }: bytes of a replica's gradients; `step` resolves with the seconds until all have made one */
async function startReplicas(work) {
  const counter = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const threads = Array.from(
    { length: REPLICAS },
    (_, index) =>
      new Worker(new URL('../replica.mjs', import.meta.url), {
        workerData: { work, replicas: REPLICAS, index, counter },
      }),
  );
  const heard = () => Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0]));
  const ask = (wanted) => {
    const answers = heard();
    for (const thread of threads) thread.postMessage(wanted);
    return answers;
  };
  const [{ numbers }] = await heard();
  const bytes = BYTES * numbers;
  await ask(threads.map(() => new SharedArrayBuffer(bytes)));
  const told = [];
  return {
    bytes,
    told,
    async step() {
      const began = performance.now();
      told.push(...(await ask('step')));
      return (performance.now() - began) / 1000;
    },
    async stop() {
      const digests = new Set(await ask('digest'));
      await Promise.all(threads.map((thread) => thread.terminate()));
      if (digests.size > 1) throw new Error('The replicas have gone apart.');
    },
  };
}

const sides = { 'both threads': 2, 'one thread': 1 };

/** Cases of a network: the replicas' step against one replica's by its threads, and what of the replicas' step is no training. */
async function casesOf(network, { work, pairs }, say) {
  const several = await startReplicas(work);
  const cases = [];
  try {
    for (const [part, threads] of Object.entries(sides)) {
      const one = await startOurs(work, { threads });
      try {
        const others = watchOthers();
        const name = `${network}: against ${part}`;
        const told = (text) => say(`${name} ${text}`);
        const timing = await inTurn(several.step, one.step, { pairs, say: told });
        cases.push({ name, network, part, unit: 's', ...timing, processorsOfOthers: others() });
      } finally {
        await one.stop();
      }
    }
    const { value: step, samples, dropped } = cases[0];
    for (const [part, key] of Object.entries({ exchange: 'exchange', waiting: 'waited' })) {
      const seconds = several.told.map((one) => one[key]);
      const value = quantile(seconds, 0.5);
      cases.push({
        ...{ name: `${network}: ${part}, of the step`, network, part, unit: 's' },
        ...{ value, reference: step, ratio: value / step },
        ...{ lowerQuartile: quantile(seconds, 0.25) / step, samples, dropped },
        bytesAReplica: several.bytes,
      });
    }
    return cases;
  } finally {
    await several.stop();
  }
}

export async function measure(say) {
  const cases = [];
  for (const [network, asked] of Object.entries(works)) cases.push(...(await casesOf(network, asked, say)));
  return cases;
}
