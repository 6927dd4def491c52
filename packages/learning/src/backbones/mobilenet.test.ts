import { createRandom } from '@rela/random';
import { expect, it } from 'vitest';
import { runOnce } from '../testing/eager.js';
import { normal, tinyMobilenet } from '../testing/tiny.js';
import { createBackbone } from './backbone.js';

const size = (shape: number[]) => shape.reduce((product, side) => product * side, 1);

/**
 * Sandler et al. 2018, table 2, by hand: c channels in, t·c in the middle, c′ out, and scale and shift of every batch norm. A
 * bottleneck has c·tc + 9·tc + tc·c′ weights and 2·(tc + tc + c′) of norms, the first without its 1×1 convolution up.
 */
function parametersByTheTable(): number {
  const rows = [
    [1, 16, 1],
    [6, 24, 2],
    [6, 32, 3],
    [6, 64, 4],
    [6, 96, 3],
    [6, 160, 3],
    [6, 320, 1],
  ] as const;
  let total = 9 * 3 * 32 + 2 * 32;
  let channels = 32;
  for (const [t, out, blocks] of rows)
    for (let block = 0; block < blocks; block++) {
      const middle = t * channels;
      if (t > 1) total += channels * middle + 2 * middle;
      total += 9 * middle + 2 * middle + middle * out + 2 * out;
      channels = out;
    }
  return total + channels * 1280 + 2 * 1280;
}

it("has the paper's number of parameters, 3.5 million with a classifier of 1000, under torchvision's names", () => {
  const backbone = createBackbone({ name: 'mobilenet-v2', stem: 'standard' }, { size: 224, channels: 3 });
  const weights = backbone.init(createRandom(0));
  const parameters = Object.entries(weights).filter(([key]) => !key.includes('running'));
  const count = parameters.reduce((sum, [, { shape }]) => sum + size(shape), 0);
  expect(count).toBe(parametersByTheTable());
  // torchvision's mobilenet_v2 has 3,504,872, 1,281,000 of them in its classifier; the paper says 3.4 M.
  expect(count + 1280 * 1000 + 1000).toBe(3_504_872);
  expect(weights['features.2.conv.0.0.weight']!.shape).toEqual([1, 1, 16, 96]);
  expect(weights['features.2.conv.1.0.weight']!.shape).toEqual([3, 3, 96, 1]);
  expect(weights['features.1.conv.1.weight']!.shape).toEqual([1, 1, 32, 16]);
  expect(weights['features.18.1.running_var']!.shape).toEqual([1280]);
  expect(backbone.width).toBe(1280);
});

it('leaves the shifts behind linear bottlenecks at 0, which no loss can see', async () => {
  const backbone = tinyMobilenet();
  const weights = backbone.init(createRandom(1));
  const frozen = Object.keys(weights).filter((key) => !backbone.trainable(key) && !key.includes('running'));
  expect(frozen).toEqual(['features.1.conv.2.bias', 'features.2.conv.3.bias', 'features.3.conv.3.bias']);
  const featuresWith = async (shift: number) => {
    const shifted = Object.fromEntries(
      Object.entries(weights).map(([key, tensor]) => [
        key,
        frozen.includes(key) ? { ...tensor, data: new Float32Array(tensor.data.length).fill(shift) } : tensor,
      ]),
    );
    const { metrics } = await runOnce(
      (tensors, { x }) => ({
        state: {},
        metrics: { features: backbone.forward(tensors, x as never, 'training').features },
      }),
      shifted,
      { x: normal([4, 8, 8, 1], 3) },
    );
    return [...metrics.features!.data];
  };
  const [plain, moved] = [await featuresWith(0), await featuresWith(0.5)];
  for (const [index, value] of plain.entries()) expect(moved[index]).toBeCloseTo(value, 4);
});

it.each([
  ['standard', 32, true],
  ['standard', 64, false],
  ['modified', 8, true],
  ['modified', 16, false],
] as const)('in the %s stem, sees %i pixels as one place: %s', async (stem, pixels, single) => {
  const backbone = createBackbone({ name: 'mobilenet-v2', stem }, { size: pixels, channels: 1 });
  const { state } = await runOnce(
    (tensors, { x }) => ({
      state: backbone.forward(tensors, x as never, 'training').statistics,
      metrics: {},
    }),
    backbone.init(createRandom(1)),
    { x: normal([1, pixels, pixels, 1], 3) },
  );
  // One image of one place has no unbiased variance.
  expect(state['features.18.1.running_var']!.data.every(Number.isFinite)).toBe(!single);
});
