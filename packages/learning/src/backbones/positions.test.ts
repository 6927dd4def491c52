import { tf } from '@rela/engine';
import { expect, it } from 'vitest';
import { numbers } from '../testing/eager.js';
import { normal } from '../testing/tiny.js';
import { interpolatedPositions, sinusoidalPositions } from './positions.js';

const interpolate = (data: Float32Array, from: number, to: number, width: number) =>
  numbers(() => interpolatedPositions(tf.tensor3d(data, [1, from * from, width]), from, to));

it('leaves positions as they are for a grid of the same side', async () => {
  const { data } = normal([9, 2], 1);
  expect(await interpolate(data, 3, 3, 2)).toEqual([...data]);
});

it('resamples as torch.nn.functional.interpolate does, bicubically and with centres aligned', async () => {
  // i^1.5 for i from 0 to 15, four by four: printed by PyTorch for mode='bicubic', align_corners=False.
  const grid = Float32Array.from({ length: 16 }, (_, index) => index ** 1.5);
  const smaller = [
    1.0440403, 3.0934474, 6.464963, 14.7747746, 20.2065868, 26.1653061, 39.7557602, 46.9570579, 54.593952,
  ];
  const larger = [-0.7648211, -0.4467541, 0.3891346, 1.3763045, 3.0765374, 4.2341094, 2.4569447, 3.3770521];
  for (const [to, expected] of [
    [3, smaller],
    [6, larger],
  ] as const) {
    const found = await interpolate(grid, 4, to, 1);
    expect(found).toHaveLength(to * to);
    for (const [at, value] of expected.entries()) expect(found[at]).toBeCloseTo(value, 4);
  }
});

it('keeps a constant constant, on any grid', async () => {
  for (const to of [1, 2, 5, 9])
    for (const value of await interpolate(new Float32Array(16).fill(3), 4, to, 1))
      expect(value).toBeCloseTo(3, 5);
});

it('gives every place of a grid its own fixed position, sines and cosines of column and row', () => {
  const [side, width] = [3, 8];
  const table = sinusoidalPositions(side, width);
  const rows = Array.from({ length: side * side }, (_, place) =>
    table.slice(place * width, (place + 1) * width),
  );
  expect(new Set(rows.map(String)).size).toBe(side * side);
  const at = (row: number, column: number) => [...rows[row * side + column]!];
  const expected = (position: number) =>
    [Math.sin(position), Math.sin(position / 100), Math.cos(position), Math.cos(position / 100)].map(
      (value) => expect.closeTo(value, 6),
    );
  expect(at(2, 1)).toEqual([...expected(1), ...expected(2)]);
});
