import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type HeavyOp, heavyOpOf } from '../graph/heavy-op.js';
import { blockOfThisMachine } from '../running/blocked-probe.js';
import { recordStep } from '../running/compiled.js';
import { createEngine } from '../running/create.js';
import type { HostTensors, StepFunction } from '../tensors.js';
import { relativeDifference, tensorOf } from '../testing/compare.js';
import { tf } from '../tf.js';
import { candidatesFor, kernelFor, winogradsFor } from './candidates.js';
import { keyOf, ownKeyOf } from './key.js';
import type { Candidate, Plan } from './plan.js';

let block: number | null;
beforeAll(async () => {
  block = await blockOfThisMachine();
});

interface Case {
  a: number[];
  b: number[];
  fn: (a: Tensor, b: Tensor) => Tensor;
  /** TF.js has no gradient of it. */
  forwardOnly?: boolean;
}

type Pad = 'same' | 'valid' | number;

const convolution = (x: number[], filter: number[], stride = 1, pad: Pad = 'same', dilation = 1): Case => ({
  ...{ a: x, b: filter },
  fn: (a, b) => tf.conv2d(a as Tensor4D, b as Tensor4D, stride, pad, 'NHWC', dilation),
});
const depthwise = (x: number[], kernel: number, stride = 1, pad: Pad = 'same', multiplier = 1): Case => ({
  ...{ a: x, b: [kernel, kernel, x[3]!, multiplier] },
  fn: (a, b) => tf.depthwiseConv2d(a as Tensor4D, b as Tensor4D, stride, pad),
});
const product = (a: number[], b: number[], turnA: boolean, turnB: boolean): Case => ({
  ...{ a, b },
  fn: (one, other) => tf.matMul(one, other, turnA, turnB),
});

const CASES: Record<string, Case> = {
  '3×3': convolution([16, 5, 7, 32], [3, 3, 32, 16]),
  '3×3, few images': convolution([3, 8, 8, 16], [3, 3, 16, 16]),
  '3×3 of three channels': convolution([16, 7, 6, 3], [3, 3, 3, 16]),
  '3×3 of no whole blocks': convolution([2, 6, 5, 12], [3, 3, 12, 20]),
  '3×3, valid': convolution([16, 7, 7, 16], [3, 3, 16, 16], 1, 'valid'),
  '3×3 dilated': { ...convolution([2, 9, 9, 16], [3, 3, 16, 16], 1, 'same', 2), forwardOnly: true },
  '3×3/2 on even sides': convolution([16, 8, 8, 16], [3, 3, 16, 32], 2),
  '3×3/2 on odd sides, valid': convolution([16, 9, 7, 16], [3, 3, 16, 16], 2, 'valid'),
  '7×7/2 of three channels': convolution([2, 13, 14, 3], [7, 7, 3, 16], 2, 3),
  '2×2/2': convolution([2, 6, 6, 3], [2, 2, 3, 8], 2, 'valid'),
  '1×1': convolution([2, 5, 3, 32], [1, 1, 32, 16]),
  '1×1 from thin': convolution([2, 5, 3, 24], [1, 1, 24, 32]),
  '1×1 to thin': convolution([2, 4, 4, 32], [1, 1, 32, 24]),
  '1×1 between thin': convolution([2, 4, 5, 12], [1, 1, 12, 20]),
  '1×1 between odd': convolution([2, 4, 5, 7], [1, 1, 7, 5]),
  '1×1/2': convolution([2, 7, 8, 16], [1, 1, 16, 32], 2),
  depthwise: depthwise([2, 6, 5, 16], 3),
  'depthwise, valid': depthwise([2, 6, 5, 32], 3, 1, 'valid'),
  'depthwise/2': depthwise([2, 8, 7, 16], 3, 2),
  'depthwise of no whole blocks': depthwise([2, 6, 6, 24], 5),
  'depthwise of two a channel': depthwise([2, 5, 5, 6], 3, 1, 'same', 2),
  aᵀ·b: product([5, 4], [5, 3], true, false),
  a·bᵀ: product([2, 4, 5], [2, 3, 5], false, true),
  aᵀ·bᵀ: product([5, 4], [3, 5], true, true),
};

/** The result, and the gradients of a weighted sum of it. */
const stepOf =
  ({ fn, forwardOnly }: Case): StepFunction =>
  (_, { a, b, weights }) => {
    const metrics = { y: fn(a!, b!) };
    if (forwardOnly) return { state: {}, metrics: metrics as Record<string, Tensor> };
    const [da, db] = tf.grads((x, y) => tf.sum(tf.mul(fn(x!, y!), weights!)))([a!, b!]);
    return { state: {}, metrics: { ...metrics, da: da!, db: db! } as Record<string, Tensor> };
  };

function batchOf(one: Case): HostTensors {
  const shape = tf.tidy(() => [...one.fn(tf.zeros(one.a), tf.zeros(one.b)).shape]);
  return { a: tensorOf(1, one.a), b: tensorOf(2, one.b), weights: tensorOf(3, shape) };
}

const specsOf = (batch: HostTensors) =>
  Object.fromEntries(Object.entries(batch).map(([name, { shape, dtype }]) => [name, { shape, dtype }]));

/** Plans that between them have every candidate of every op. */
function plansOf(ops: readonly HeavyOp[], machine: { block: number | null }): Plan[] {
  const each = ops.map((op) => candidatesFor(op, machine));
  const count = Math.max(...each.map((candidates) => candidates.length));
  const apart = Array.from({ length: count }, (_, at): Plan => {
    const chosen = ops.map((op, i): [string, Candidate] => [ownKeyOf(op), each[i]![at % each[i]!.length]!]);
    return Object.fromEntries(chosen);
  });
  const together = winogradsFor(ops[0]!, 'fast').map((candidate): Plan => ({ [keyOf(ops[0]!)]: candidate }));
  return [...apart, ...together];
}

async function outcome(one: Case, batch: HostTensors, options: Parameters<typeof createEngine>[0]) {
  const engine = await createEngine(options);
  const ready = await engine.compile(stepOf(one), {}, specsOf(batch));
  const metrics = await ready.run(batch);
  await ready.dispose();
  return { metrics, plan: ready.plan };
}

describe.each([true, false])('with direct kernels: %s', (blocked) => {
  it.each(Object.keys(CASES))(
    'every kernel gives the numbers of TF.js for %s, forward and back',
    async (name) => {
      const one = CASES[name]!;
      const batch = batchOf(one);
      const ops = recordStep(stepOf(one), {}, specsOf(batch))
        .nodes.map(heavyOpOf)
        .filter((op): op is HeavyOp => op !== null)
        .filter((op) => op.kind !== 'product' || op.transposeA || op.transposeB);
      const eager = await outcome(one, batch, { engine: 'eager', backend: 'cpu' });
      for (const plan of plansOf(ops, { block: blocked ? block : null })) {
        const made = await outcome(one, batch, { engine: 'compiled', threads: 1, blocked, plan });
        expect(made.plan).toMatchObject(plan);
        const limit = Object.values(plan).includes('winograd4') ? 2e-5 : 3e-6;
        for (const key of Object.keys(eager.metrics))
          expect(
            relativeDifference(made.metrics[key]!, eager.metrics[key]!),
            `${key} by ${JSON.stringify(plan)}`,
          ).toBeLessThan(limit);
      }
    },
  );
});

/** The ops of a case, y first. */
function opsOf(name: string): HeavyOp[] {
  const one = CASES[name]!;
  const { nodes } = recordStep(stepOf(one), {}, specsOf(batchOf(one)));
  return nodes.map(heavyOpOf).filter((op): op is HeavyOp => op !== null);
}

it('names a shape by what decides how fast it is', () => {
  const names = [
    '3×3',
    '3×3, valid',
    '3×3 dilated',
    '3×3/2 on even sides',
    '7×7/2 of three channels',
    '1×1/2',
  ];
  expect(names.map((name) => keyOf(opsOf(name)[0]!))).toEqual([
    '16×5×7 32→16',
    '3×3 16×7×7 16→16 padded 0',
    '3×3 dilated 2 2×9×9 16→16',
    '3×3/2 16×8×8 16→32 padded 0 1 1 0',
    '7×7/2 2×13×14 3→16',
    '1×1/2 2×7×8 16→32',
  ]);
  expect(['depthwise/2', 'depthwise of two a channel'].map((name) => keyOf(opsOf(name)[0]!))).toEqual([
    'depthwise 3×3/2 2×8×7 16 padded 0 1 1 1',
    'depthwise 3×3 2×5×5 6→12',
  ]);
  expect(opsOf('a·bᵀ').map(keyOf)).toContain('product 2 of 4×5×3 a·bᵀ');
});

it('a kernel that a machine lacks has a stand-in, so that a plan goes with its run to any machine', () => {
  const [pointwise, thin, stem] = ['1×1', '1×1 to thin', '7×7/2 of three channels'].map(opsOf);
  const kernels = (ops: HeavyOp[], wanted: Candidate, size: number | null) =>
    ops.map((op) => [op.kind === 'product' ? '' : op.role, kernelFor(op, wanted, { block: size })]);
  expect(new Map(kernels(pointwise!, 'direct', null) as [string, string][])).toEqual(
    new Map([
      ['y', 'plain'],
      ['dx', 'plain'],
      ['dw', 'rows'],
    ]),
  );
  expect(new Map(kernels(thin!, 'direct', 16) as [string, string][])).toEqual(
    new Map([
      ['y', 'rows'],
      ['dx', 'rows'],
      ['dw', 'rows'],
    ]),
  );
  expect(new Map(kernels(stem!, 'direct', 16) as [string, string][])).toEqual(
    new Map([
      ['y', 'direct'],
      ['dx', 'plain'],
      ['dw', 'plain'],
    ]),
  );
});

it.each([
  ['depthwise', 'winograd4'],
  ['1×1', 'winograd2'],
  ['3×3/2 on even sides', 'filled'],
  ['aᵀ·b', 'rows'],
  ['3×3', 'fused'],
] as const)('refuses a plan that has for %s the kernel %s of another op, by name', async (name, kernel) => {
  const one = CASES[name]!;
  const batch = batchOf(one);
  const op = opsOf(name)[0]!;
  const compiled = outcome(one, batch, { engine: 'compiled', threads: 1, plan: { [keyOf(op)]: kernel } });
  await expect(compiled).rejects.toMatchObject({
    code: 'unknown-plan',
    message: expect.stringContaining(`"${kernel}" for ${keyOf(op)}`),
  });
});
