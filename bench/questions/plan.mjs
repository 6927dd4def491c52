// What does a plan that is measured gain over the fixed one? A step by each, in turn; on processors with direct kernels and without.
import { startOurs } from '../ours.mjs';
import { inTurn } from '../pairs.mjs';
import { RESNET18 } from '../work.mjs';

const PAIRS = 15;
const common = { kind: 'supervised', channels: 3 };
const CASES = [
  { name: 'ResNet-18, 32 px, batch 32', work: { ...RESNET18, batch: 32 } },
  {
    name: 'ResNet-50, 64 px, batch 16',
    work: { ...common, model: 'resnet50', size: 64, stem: 'standard', batch: 16 },
    plainToo: true,
  },
  {
    name: 'MobileNetV2, 32 px, batch 32',
    work: { ...common, model: 'mobilenet-v2', size: 32, stem: 'modified', batch: 32 },
    plainToo: true,
  },
  {
    name: 'the demo’s network, BYOL, batch 128',
    work: { kind: 'byol', model: 'resnet18-narrow', size: 28, channels: 1, stem: 'modified', batch: 128 },
  },
];

/** Entries of the measured plan that say something else than the fixed one. */
const differing = (measured, fixed) =>
  Object.entries(measured).filter(([key, kernel]) => fixed[key] !== kernel).length;

async function compare(name, work, blocked, say) {
  const measured = await startOurs(work, { plan: 'measured', blocked });
  const fixed = await startOurs(work, { blocked });
  try {
    say(
      `${name}: chosen in ${measured.compileSeconds.toFixed(1)} s, ${differing(measured.plan, fixed.plan)} of ${Object.keys(measured.plan).length} entries unlike the fixed plan's`,
    );
    const timing = await inTurn(measured.step, fixed.step, {
      pairs: PAIRS,
      say: (text) => say(`${name} ${text}`),
    });
    return { name, unit: 's', ...timing };
  } finally {
    for (const side of [measured, fixed]) await side.stop();
  }
}

export async function measure(say) {
  const cases = [];
  for (const { name, work, plainToo } of CASES) {
    cases.push(await compare(name, work, true, say));
    if (plainToo) cases.push(await compare(`${name}, plain kernels`, work, false, say));
  }
  return cases;
}
