// What users do meanwhile: they submit jobs, look at them, and cancel, pause and resume some.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasEnded } from '@rela/contracts';
import { writeShapes } from '../shapes.js';

/** Every such training is the same one: whatever happens to it, its model has to be that of an unbroken run. */
const TRAINING = {
  ...{
    method: { name: 'supervised' },
    backbone: { name: 'resnet18-narrow' },
    batchSize: 32,
    epochs: 4,
    seed: 5,
  },
  evaluation: { probe: { epochs: 2 } },
};
const ACCELERATED = { ...TRAINING, method: { name: 'byol' }, epochs: 2, rela: {}, dataRatio: 0.5 };

/** Data set and prior, before anything happens. */
export async function prepare({ client, folder }) {
  await mkdir(join(folder, 'shapes'));
  const train = await writeShapes(join(folder, 'shapes', 'train'), { count: 256, seed: 1 });
  const test = await writeShapes(join(folder, 'shapes', 'test'), { count: 64, seed: 2 });
  const source = { kind: 'idx', train, test };
  const { id } = await client.datasets.create({ name: 'shapes', source, shardSize: 32 });
  await client.datasets.waitUntilReady(id);
  const random = {
    kind: 'random',
    backbone: { name: 'resnet18-narrow' },
    imageSize: 16,
    channels: 1,
    seed: 3,
  };
  await client.priors.create({ name: 'prior', source: random });
}

export const KINDS = {
  targets: { dataset: 'shapes', prior: 'prior', targets: {}, reuse: false },
  training: { dataset: 'shapes', runs: [{ name: 'plain', ...TRAINING }], reuse: false },
  accelerated: { dataset: 'shapes', prior: 'prior', runs: [{ name: 'rela', ...ACCELERATED }], reuse: false },
};
const ORDER = ['targets', 'targets', 'training', 'targets', 'accelerated'];

/** Jobs that are under way at once. */
const AT_ONCE = 6;
const PAUSE_MS = 400;

/**
 * Keeps jobs coming until `signal` is aborted. Requests go through an API that dies now and then: one that was answered was accepted.
 * @returns { accepted: [{ id, kind }], wishes } kept up to date
 */
export function keepBusy(client, random, signal) {
  const state = { accepted: [], wishes: { cancelled: 0, paused: 0, refused: 0 } };
  const ended = new Set();
  const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

  async function wish(id) {
    const drawn = random.next();
    try {
      if (drawn < 0.1) {
        await client.jobs.cancel(id);
        state.wishes.cancelled += 1;
      } else if (drawn < 0.25) {
        await client.jobs.pause(id);
        state.wishes.paused += 1;
        await pause();
        await client.jobs.resume(id);
      }
    } catch (error) {
      // It had ended already.
      if (error.code !== 'conflict') throw error;
      state.wishes.refused += 1;
    }
  }

  const working = (async () => {
    for (let number = 0; !signal.aborted; ) {
      const open = state.accepted.filter(({ id }) => !ended.has(id));
      for (const { id } of open) {
        const { status } = await client.jobs.get(id);
        if (hasEnded(status)) ended.add(id);
      }
      if (open.filter(({ id }) => !ended.has(id)).length < AT_ONCE) {
        const kind = ORDER[number++ % ORDER.length];
        const { id } = await client.jobs.create({ name: kind, ...KINDS[kind] });
        state.accepted.push({ id, kind });
        await pause();
        await wish(id);
      } else await pause();
    }
  })();
  return { state, working };
}
