/** Optimizers and schedules held to PyTorch: the same weights and gradients, two programs, the same rates and weights. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OptimizerSpec, ScheduleSpec } from '@rela/contracts';
import { createEngine, type HostTensors } from '@rela/engine';
import { createOptimizer, learningRates } from '@rela/learning';
import { createRandom } from '@rela/random';
import { expect, it } from 'vitest';
import { findTorch, readTensors, runPython, writeTensors } from '../torch/torch.js';

const SCRIPT = fileURLToPath(new URL('optimizers.py', import.meta.url));
const STEPS = 20;
const WARMUP_EPOCHS = 1.5;
const STEPS_AN_EPOCH = 4;
const RATE = 0.3;
const SHAPES = { 'conv.weight': [3, 3, 2, 5], 'conv.bias': [5], 'linear.weight': [5, 4], 'norm.weight': [4] };

const python = await findTorch();
const name = python ? '' : ' (no Python with PyTorch here)';

const cosine = ScheduleSpec.parse({ name: 'cosine', warmupEpochs: WARMUP_EPOCHS, final: 0.05 });
const linear = ScheduleSpec.parse({ name: 'linear', warmupEpochs: WARMUP_EPOCHS, final: 0.1 });
const common = { learningRate: RATE, weightDecay: 0.01 };
const CASES = [
  { name: 'sgd', optimizer: OptimizerSpec.parse({ name: 'sgd', ...common }), schedule: cosine },
  {
    name: 'nesterov',
    optimizer: OptimizerSpec.parse({ name: 'sgd', nesterov: true, ...common }),
    schedule: linear,
  },
  {
    name: 'lars',
    optimizer: OptimizerSpec.parse({ name: 'lars', trust: 0.05, ...common }),
    schedule: cosine,
  },
];

function normalTensors(seed: number): HostTensors {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([key, shape]) => {
      const random = createRandom(seed, key);
      const size = shape.reduce((product, side) => product * side, 1);
      const data = Float32Array.from({ length: size }, () => random.normal());
      return [key, { dtype: 'float32' as const, shape, data }];
    }),
  );
}

async function trained({ optimizer: spec, schedule }: (typeof CASES)[number], gradients: HostTensors[]) {
  const start = normalTensors(0);
  const optimizer = createOptimizer(spec, () => 'all');
  const rateOf = learningRates(
    { optimizer: spec, batchSize: 256, schedule },
    { stepsPerEpoch: STEPS_AN_EPOCH, totalSteps: STEPS },
  );
  const scalar = (value: number) => ({ dtype: 'float32' as const, shape: [], data: Float32Array.of(value) });
  const engine = await createEngine({ engine: 'compiled', threads: 1 });
  const step = await engine.compile(
    (state, { rate, ...given }) => ({ state: optimizer.update(state, given, rate as never), metrics: {} }),
    { ...start, ...optimizer.init(start) },
    { ...start, rate: scalar(0) },
  );
  const rates = gradients.map((_, index) => rateOf(index + 1));
  for (const [index, given] of gradients.entries()) await step.run({ ...given, rate: scalar(rates[index]!) });
  const state = await step.state();
  await step.dispose();
  await engine.dispose();
  return { state, rates };
}

it.skipIf(!python)(
  `moves weights as PyTorch does: SGD with momentum, Nesterov's, and LARS, by warm-up, cosine and line${name}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rela-parity-'));
    try {
      const gradients = Array.from({ length: STEPS }, (_, index) => normalTensors(index + 1));
      await writeTensors(folder, 'start', normalTensors(0));
      const rows = gradients.flatMap((given) =>
        Object.values(given).map(({ data }) => Buffer.from(data.buffer)),
      );
      await writeFile(join(folder, 'gradients.bin'), Buffer.concat(rows));
      const run = { steps: STEPS, warmup: WARMUP_EPOCHS * STEPS_AN_EPOCH, rate: RATE, cases: CASES };
      await writeFile(join(folder, 'run.json'), JSON.stringify(run));
      await runPython(python!, SCRIPT, [folder]);
      const theirRates: Record<string, number[]> = JSON.parse(
        await readFile(join(folder, 'rates.json'), 'utf8'),
      );
      for (const one of CASES) {
        const { state, rates } = await trained(one, gradients);
        for (const [index, rate] of rates.entries())
          expect(Math.abs(rate - theirRates[one.name]![index]!), `rate of step ${index + 1}`).toBeLessThan(
            1e-9,
          );
        for (const [key, values] of await readTensors(folder, one.name))
          for (const [at, value] of values.entries())
            expect(
              Math.abs(state[key]!.data[at]! - value) / Math.max(1, Math.abs(value)),
              `${one.name}, ${key}`,
            ).toBeLessThan(1e-5);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
