import { expect, it } from 'vitest';
import { clipByGlobalNorm } from './clip.js';
import { runOnce } from './testing/eager.js';
import { normal } from './testing/tiny.js';

const gradients = { a: normal([3, 4], 1), b: normal([5], 2) };
const length = Math.hypot(...gradients.a.data, ...gradients.b.data);
const clipped = async (norm: number) =>
  (await runOnce((_, batch) => ({ state: {}, metrics: clipByGlobalNorm(batch, norm) }), {}, gradients))
    .metrics;

it('shortens all gradients by one factor to the norm, and never lengthens them', async () => {
  const short = await clipped(0.5);
  for (const key of ['a', 'b'] as const)
    for (const [at, value] of gradients[key].data.entries())
      expect(short[key]!.data[at]).toBeCloseTo((value * 0.5) / length, 5);
  expect(await clipped(length * 2)).toEqual(gradients);
});

it('gives the same bits in whatever order the gradients come', async () => {
  // Each small square alone is less than a float32 can add to the large one; all together are not.
  const one = (value: number) => ({ dtype: 'float32' as const, shape: [1], data: Float32Array.of(value) });
  const small = Array.from({ length: 40 }, (_, at) => [`b${at}`, one(0.17)]);
  const many: Record<string, ReturnType<typeof one>> = Object.fromEntries([['a', one(1000)], ...small]);
  const turned = Object.fromEntries(Object.entries(many).reverse());
  const clip = async (given: typeof many) =>
    (await runOnce((_, batch) => ({ state: {}, metrics: clipByGlobalNorm(batch, 0.5) }), {}, given)).metrics;
  expect(await clip(turned)).toEqual(await clip(many));
});
