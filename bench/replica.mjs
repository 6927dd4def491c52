// One of several replicas of a training, in a thread of its own: an engine on one thread, a part of every batch, and gradients that
// are averaged with the others' through shared memory. Makes a step for every message.
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { createEngine } from '@rela/engine';
import { gradientsOf, replicaSteps } from '../packages/learning/dist/replicas.js';
import { batchOf, planOf } from './work.mjs';

const { work, replicas, index, counter } = workerData;
const planned = planOf({ ...work, accumulate: replicas });
const { plan, phase } = planned;
const { state, batchSpecs, look, moveAndLook, earlier } = replicaSteps(plan, phase);
const scalars = plan.scalars(1);
const engine = await createEngine({ engine: 'compiled', threads: 1, plan: 'fixed' });
const batch = batchOf(planned, index + 1);

/** The first look; it also says what the gradients are called, and how large they are. */
const first = await engine.compile(look, state, batchSpecs);
const found = gradientsOf(await first.run(batch));
const begun = await first.state();
await first.dispose();

const names = Object.keys(found).sort();
const sizes = names.map((name) => found[name].data.length);
const numbers = sizes.reduce((sum, size) => sum + size, 0);

const parts = (whole) => {
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return whole.subarray(at - size, at);
  });
};
/** Gradients of every replica, in memory that all of them see. */
const board = await new Promise((resolve) => {
  parentPort.once('message', resolve);
  parentPort.postMessage({ numbers });
});
const posted = board.map((memory) => parts(new Float32Array(memory)));
const mean = Object.fromEntries(
  names.map((name) => [name, { ...found[name], data: new Float32Array(found[name].data.length) }]),
);

const arrived = new Int32Array(counter);
let meetings = 0;

/** Waits until every replica is here. @returns the seconds that it took */
function meet() {
  const began = performance.now();
  const all = ++meetings * replicas;
  if (Atomics.add(arrived, 0, 1) + 1 === all) Atomics.notify(arrived, 0);
  for (let there = Atomics.load(arrived, 0); there < all; there = Atomics.load(arrived, 0))
    Atomics.wait(arrived, 0, there);
  return (performance.now() - began) / 1000;
}

/** Fills `mean`. Sums in the order of the replicas, so that all of them get the same bits. */
function average(gradients) {
  const began = performance.now();
  let waited = meet(); // Nobody reads what was posted last any more.
  for (const [at, name] of names.entries()) posted[index][at].set(gradients[name].data);
  waited += meet();
  const [own, ...others] = posted;
  for (const [at, name] of names.entries()) {
    const { data } = mean[name];
    data.set(own[at]);
    for (const [place, other] of others.entries()) {
      const added = other[at];
      const share = place === others.length - 1 ? 1 / replicas : 1;
      for (let number = 0; number < data.length; number++)
        data[number] = (data[number] + added[number]) * share;
    }
  }
  return { waited, exchange: (performance.now() - began) / 1000 - waited };
}

average(found);
const given = earlier(mean, scalars);
const specs = Object.fromEntries(
  Object.entries(given).map(([key, { shape, dtype }]) => [key, { shape, dtype }]),
);
const step = await engine.compile(moveAndLook, begun, { ...batchSpecs, ...specs }, { takeState: true });

const steps = {
  async step() {
    const metrics = await step.run({ ...batch, ...given });
    if (!Number.isFinite(metrics.loss.data[0])) throw new Error(`The loss is ${metrics.loss.data[0]}.`);
    return average(gradientsOf(metrics));
  },
  /** Of all that the replicas have to agree in. */
  async digest() {
    const trained = await step.state();
    const hash = createHash('sha256');
    for (const name of names) hash.update(trained[name.slice(name.indexOf('.') + 1)].data);
    return hash.digest('hex');
  },
};
parentPort.on('message', async (wanted) => parentPort.postMessage(await steps[wanted]()));
parentPort.postMessage('ready');
