// Does every pass between recording and ONNX pay for itself? A step with all passes against one with a pass left out, on the networks
// that the pass has something to do in; where a pass is about memory or compilation as well, the peak of a process and the seconds to a
// step that is ready. A ratio below 1: the pass pays. `npm run bench -- passes NAME …` asks about these passes alone.
// Passes are worth hundredths, and other processes on the machine take more than that from every sample: so what is counted is the
// processor time of this process, on one thread, which has nobody to wait for.
import { PASSES } from '../../packages/engine/dist/passes.js';
import { startOurs } from '../ours.mjs';
import { inTurn, quantile } from '../pairs.mjs';
import { processorSeconds } from '../processor-seconds.mjs';
import { runAlone } from '../run-alone.mjs';
import { RESNET18 } from '../work.mjs';

const THREADS = 1;
const PAIRS = 7;
/** Fresh processes a side: three were seen to tell a gain where nine show none; peaks differ by a hundredth from process to process. */
const COMPILATIONS = 9;
const PEAKS = 2;
const STEPS = 3;
const MIB = 1024 ** 2;

const resnet = { ...RESNET18, batch: 32 };
const narrow = {
  kind: 'byol',
  model: 'resnet18-narrow',
  size: 28,
  channels: 1,
  stem: 'modified',
  batch: 128,
};
const mobilenet = { ...RESNET18, model: 'mobilenet-v2', batch: 32 };
/** So little work that every node of the graph shows. */
const small = { ...RESNET18, model: 'resnet18-narrow', size: 8, batch: 2 };
/** A sample is as many steps as take a tenth of a second or more. */
const NETWORKS = {
  'ResNet-18': { work: resnet, count: 1 },
  'the demo’s BYOL': { work: narrow, count: 1 },
  MobileNetV2: { work: mobilenet, count: 1 },
  'a small network': { work: small, count: 16 },
};
/** Where maps and transforms are large. */
const large = { 'ResNet-18': { ...resnet, batch: 128 }, MobileNetV2: { ...mobilenet, batch: 128 } };

/** Networks without anything for the pass. */
const IDLE = {
  'relu6-slopes': ['ResNet-18', 'the demo’s BYOL', 'a small network'],
  winograd: ['MobileNetV2'],
  'transforms-again': ['the demo’s BYOL', 'MobileNetV2', 'a small network'],
};
/** Blocked layouts are no pass of the list, because much stands on them; the package has an option for them. */
const BLOCKED = 'blocked-layouts';
const leftOut = (pass) => (pass === BLOCKED ? { blocked: false } : { without: [pass] });
const threads = { threads: THREADS };

const COMPILES = new Set(['dead-code', 'common-subexpressions', 'tidy', 'state-forms', 'fuse-channels']);
const REMEMBERS = {
  'relu6-slopes': 'MobileNetV2',
  'fuse-scaled-sums': 'ResNet-18',
  'in-place': 'ResNet-18',
  'transforms-again': 'ResNet-18',
  tidy: 'ResNet-18',
};

/** Processor seconds of a step, the mean of several. */
const repeated = (side, count) => async () => {
  const before = process.cpuUsage();
  for (let made = 0; made < count; made++) await side.step();
  return processorSeconds(before) / count;
};

async function steps(pass, network, whole, say) {
  const { work, count } = NETWORKS[network];
  const without = await startOurs(work, { ...threads, ...leftOut(pass) });
  const name = `${pass}: step of ${network}`;
  try {
    const sides = [whole, without].map((side) => repeated(side, count));
    const told = (text) => say(`${name} ${text}`);
    return { name, unit: 's', ...(await inTurn(...sides, { pairs: PAIRS, say: told })) };
  } finally {
    await without.stop();
  }
}

/** Both sides in fresh processes, in turn. @param read the figure of what runAlone found */
async function inProcesses({ name, unit, pass, request, rounds, read, say }) {
  const pairs = [];
  for (let round = 0; round < rounds; round++) {
    const pair = [read(await runAlone(request)), read(await runAlone({ ...request, ...leftOut(pass) }))];
    pairs.push(pair);
    say(`${name} ${round + 1}/${rounds}: ${pair.map((one) => one.toPrecision(4)).join(' against ')} ${unit}`);
  }
  const ratios = pairs.map(([a, b]) => a / b);
  const median = (values) => quantile(values, 0.5);
  return {
    name,
    unit,
    value: median(pairs.map(([a]) => a)),
    reference: median(pairs.map(([, b]) => b)),
    ratio: median(ratios),
    lowerQuartile: quantile(ratios, 0.25),
    samples: rounds,
    dropped: 0,
  };
}

const ready = (pass, say) =>
  inProcesses({
    ...{ name: `${pass}: ResNet-18 ready`, unit: 's', pass, say },
    ...{ request: { work: resnet, ...threads }, rounds: COMPILATIONS },
    read: ({ compileProcessorSeconds }) => compileProcessorSeconds,
  });

const peak = (pass, say) =>
  inProcesses({
    ...{ name: `${pass}: peak of ${REMEMBERS[pass]}, batch 128`, unit: 'MiB', pass, say },
    ...{ request: { work: large[REMEMBERS[pass]], steps: STEPS, ...threads }, rounds: PEAKS },
    read: ({ peakBytes }) => peakBytes / MIB,
  });

/** What can be asked about alone. */
export const parts = [...PASSES, BLOCKED];

/** @param names of `parts`; all where there are none */
export async function measure(say, names) {
  const asked = names.length === 0 ? parts : names;
  const found = Object.fromEntries(asked.map((pass) => [pass, []]));
  for (const [network, { work }] of Object.entries(NETWORKS)) {
    const busy = asked.filter((pass) => !IDLE[pass]?.includes(network));
    if (busy.length === 0) continue;
    const whole = await startOurs(work, { ...threads, without: [] });
    try {
      for (const pass of busy) found[pass].push(await steps(pass, network, whole, say));
    } finally {
      await whole.stop();
    }
  }
  for (const pass of asked) {
    if (COMPILES.has(pass)) found[pass].push(await ready(pass, say));
    if (pass in REMEMBERS) found[pass].push(await peak(pass, say));
  }
  return Object.values(found).flat();
}
