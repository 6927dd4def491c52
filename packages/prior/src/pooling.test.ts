import type { Preprocessing } from '@rela/contracts';
import { describe, expect, it } from 'vitest';
import { outputForm, toRows } from './pooling.js';

function input(height: number, width: number, layout: Preprocessing['layout']): Preprocessing {
  const statistics = { mean: [0, 0, 0], std: [1, 1, 1] };
  return { height, width, channels: 3, layout, dtype: 'float32', scale: 'unit', ...statistics };
}

describe('the form of an output', () => {
  it('of rows and of tokens has its features last', () => {
    expect(outputForm([2, 5], input(8, 8, 'nchw'))).toEqual({ featureAxis: 1, width: 5, pool: false });
    expect(outputForm([2, 7, 5], input(8, 8, 'nchw'))).toEqual({ featureAxis: 2, width: 5, pool: true });
  });

  it('of a feature map takes the axes in the proportion of the input for its positions', () => {
    for (const layout of ['nchw', 'nhwc'] as const) {
      expect(outputForm([2, 5, 4, 4], input(8, 8, layout))).toMatchObject({ featureAxis: 1, width: 5 });
      expect(outputForm([2, 4, 4, 5], input(8, 8, layout))).toMatchObject({ featureAxis: 3, width: 5 });
      expect(outputForm([2, 16, 3, 6], input(10, 20, layout))).toMatchObject({ featureAxis: 1, width: 16 });
      expect(outputForm([2, 3, 6, 16], input(10, 20, layout))).toMatchObject({ featureAxis: 3, width: 16 });
    }
  });

  it('of a feature map that fits both ways follows the layout of the input', () => {
    expect(outputForm([2, 4, 4, 4], input(8, 8, 'nchw'))?.featureAxis).toBe(1);
    expect(outputForm([2, 4, 4, 4], input(8, 8, 'nhwc'))?.featureAxis).toBe(3);
  });

  it('of any other rank is none', () => {
    for (const dims of [[], [2], [2, 3, 4, 5, 6]]) expect(outputForm(dims, input(8, 8, 'nchw'))).toBeNull();
  });
});

it('averages over positions, and leaves out the images that only fill the batch', () => {
  const map = Float32Array.from([1, 3, 10, 30, 5, 7, 50, 70, 99, 99, 99, 99]);
  const first = { featureAxis: 1, width: 2, pool: true };
  expect([...toRows(map, [3, 2, 2, 1], first, 2)]).toEqual([2, 20, 6, 60]);
  const last = { featureAxis: 3, width: 2, pool: true };
  expect([...toRows(map, [3, 2, 1, 2], last, 2)]).toEqual([5.5, 16.5, 27.5, 38.5]);
  expect([...toRows(map, [3, 4], { featureAxis: 1, width: 4, pool: false }, 1)]).toEqual([1, 3, 10, 30]);
});
