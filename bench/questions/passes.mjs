// Does every pass between recording and ONNX pay for itself? A step with all passes against one with a pass left out, on the networks
// that the pass has something to do in; where a pass is about memory or compilation as well, the peak of a process and the seconds to a
// step that is ready. A ratio below 1: the pass pays. `npm run bench -- passes NAME …` asks about these passes alone.
import { PASSES } from '../../packages/engine/dist/passes.js';
import { startOurs } from '../ours.mjs';
import { inTurn, quantile } from '../pairs.mjs';
import { runAlone } from '../run-alone.mjs';
import { RESNET18 } from '../work.mjs';

const PAIRS = 11;
/** Fresh processes a side; peaks differ by a hundredth from process to process. */
const COMPILATIONS = 5;
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
const NETWORKS = { 'ResNet-18': resnet, 'the demo’s BYOL': narrow, MobileNetV2: mobilenet };
/** Where transforms are large. */
const large = { ...RESNET18, batch: 128 };

/** Networks without anything for the pass. */
const IDLE = {
  'relu6-slopes': ['ResNet-18', 'the demo’s BYOL'],
  winograd: ['MobileNetV2'],
  'transforms-again': ['the demo’s BYOL', 'MobileNetV2'],
};
/** Blocked layouts are no pass of the list, because much stands on them; the package has an option for them. */
const BLOCKED = 'blocked layouts';
const leftOut = (pass) => (pass === BLOCKED ? { blocked: false } : { without: [pass] });

const COMPILES = new Set(['dead-code', 'common-subexpressions', 'tidy', 'state-forms', 'fuse-channels']);
const REMEMBERS = new Set(['in-place', 'transforms-again', 'tidy']);

async function steps(pass, network, whole, say) {
  const without = await startOurs(NETWORKS[network], leftOut(pass));
  const name = `${pass}: step of ${network}`;
  try {
    const told = (text) => say(`${name} ${text}`);
    return { name, unit: 's', ...(await inTurn(whole.step, without.step, { pairs: PAIRS, say: told })) };
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
    ...{ request: { work: resnet }, rounds: COMPILATIONS },
    read: ({ compileSeconds }) => compileSeconds,
  });

const peak = (pass, say) =>
  inProcesses({
    ...{ name: `${pass}: peak of ResNet-18, batch ${large.batch}`, unit: 'MiB', pass, say },
    ...{ request: { work: large, steps: STEPS }, rounds: PEAKS },
    read: ({ peakBytes }) => peakBytes / MIB,
  });

/** @param names passes; all where there are none */
export async function measure(say, names) {
  const all = [...PASSES, BLOCKED];
  const strange = names.find((name) => !all.includes(name));
  if (strange) throw new Error(`There is no pass "${strange}". Known: ${all.join(', ')}.`);
  const asked = names.length === 0 ? all : names;
  const found = Object.fromEntries(asked.map((pass) => [pass, []]));
  for (const [network, work] of Object.entries(NETWORKS)) {
    const busy = asked.filter((pass) => !IDLE[pass]?.includes(network));
    if (busy.length === 0) continue;
    const whole = await startOurs(work, { without: [] });
    try {
      for (const pass of busy) found[pass].push(await steps(pass, network, whole, say));
    } finally {
      await whole.stop();
    }
  }
  for (const pass of asked) {
    if (COMPILES.has(pass)) found[pass].push(await ready(pass, say));
    if (REMEMBERS.has(pass)) found[pass].push(await peak(pass, say));
  }
  return Object.values(found).flat();
}
