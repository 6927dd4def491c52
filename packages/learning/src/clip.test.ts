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
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`g${at}`, normal([7], 10 + at)]));
  const turned = Object.fromEntries(Object.entries(many).reverse());
  const clip = async (given: typeof many) =>
    (await runOnce((_, batch) => ({ state: {}, metrics: clipByGlobalNorm(batch, 0.5) }), {}, given)).metrics;
  expect(await clip(turned)).toEqual(await clip(many));
});
