// How long does it take from a step function to a step that runs, in a fresh process: with the plan known, with the step known from an
// earlier process, and with choosing a plan first?
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quantile } from '../pairs.mjs';
import { runAlone } from '../run-alone.mjs';
import { RESNET18 } from '../work.mjs';

const ROUNDS = 5;
const works = {
  'ResNet-18, 32 px': { ...RESNET18, batch: 32 },
  'ResNet-50, 64 px': {
    kind: 'supervised',
    model: 'resnet50',
    size: 64,
    channels: 3,
    stem: 'standard',
    batch: 16,
  },
};

/** Seconds, in a process that has compiled nothing before. */
const compile = async (work, plan, cacheFolder) =>
  (await runAlone({ work, plan, cacheFolder })).compileSeconds;

export async function measure(say) {
  const cases = [];
  for (const [name, work] of Object.entries(works)) {
    const seconds = [];
    for (let round = 0; round < ROUNDS; round++) seconds.push(await compile(work, 'fixed'));
    const folder = await mkdtemp(join(tmpdir(), 'bench-steps-'));
    const known = [];
    try {
      await compile(work, 'fixed', folder);
      for (let round = 0; round < ROUNDS; round++) known.push(await compile(work, 'fixed', folder));
    } finally {
      await rm(folder, { recursive: true });
    }
    const choosing = await compile(work, 'measured');
    say(
      `${name}: ${seconds.map((value) => value.toFixed(2)).join(', ')} s; with choosing a plan ${choosing.toFixed(1)} s`,
    );
    const none = { unit: 's', reference: null, ratio: null, dropped: 0 };
    for (const [title, values] of [
      [name, seconds],
      [`${name}, step known`, known],
    ])
      cases.push({
        name: title,
        ...none,
        value: quantile(values, 0.5),
        lowerQuartile: quantile(values, 0.25),
        samples: ROUNDS,
      });
    cases.push({
      name: `${name}, choosing a plan`,
      ...none,
      value: choosing,
      lowerQuartile: null,
      samples: 1,
    });
  }
  return cases;
}
