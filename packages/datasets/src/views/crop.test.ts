/** Where random crops lie, over many draws. */
import { createRandom } from '@rela/random';
import { describe, expect, it } from 'vitest';
import { type Box, centredSquare, randomResizedBox } from './crop.js';

const RATIO = [3 / 4, 4 / 3] as const;
const DRAWS = 4000;

function draws(size: { height: number; width: number }, scale: readonly [number, number]): Box[] {
  const random = createRandom(1, 'crop');
  return Array.from({ length: DRAWS }, () => randomResizedBox(size, scale, RATIO, random));
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a random resized crop', () => {
  const size = { height: 200, width: 200 };

  it('has an area that is uniform between its bounds', () => {
    // Up to 0.75 of the area every ratio fits a square image, so nothing is drawn again.
    const areas = draws(size, [0.25, 0.75]).map(({ height, width }) => (height * width) / 40000);
    expect(Math.min(...areas)).toBeGreaterThan(0.24);
    expect(Math.max(...areas)).toBeLessThan(0.76);
    expect(mean(areas)).toBeCloseTo(0.5, 1.8);
    expect(mean(areas.map((area) => (area - 0.5) ** 2))).toBeCloseTo(1 / 48, 2.5);
  });

  it('has a ratio between its bounds whose logarithm is uniform', () => {
    const ratios = draws(size, [0.25, 0.75]).map(({ height, width }) => Math.log(width / height));
    const bound = Math.log(4 / 3);
    expect(Math.max(...ratios.map(Math.abs))).toBeLessThan(bound + 0.02);
    expect(mean(ratios)).toBeCloseTo(0, 1.5);
    expect(mean(ratios.map((ratio) => ratio ** 2))).toBeCloseTo(bound ** 2 / 3, 2);
  });

  it('lies anywhere in the image, and nowhere else', () => {
    const boxes = draws({ height: 30, width: 50 }, [0.1, 0.3]);
    for (const { top, left, height, width } of boxes) {
      expect(top >= 0 && left >= 0 && top + height <= 30 && left + width <= 50).toBe(true);
      expect([top, left, height, width].every(Number.isInteger)).toBe(true);
    }
    expect(Math.min(...boxes.map(({ top }) => top))).toBe(0);
    expect(Math.max(...boxes.map(({ left, width }) => left + width))).toBe(50);
  });

  it('is the largest centred part within the ratio where no draw fits', () => {
    const box = randomResizedBox({ height: 10, width: 100 }, [1, 1], RATIO, createRandom(1));
    expect(box).toEqual({ top: 0, left: 43, height: 10, width: 13 });
  });

  it('exists for an image of one pixel', () => {
    expect(randomResizedBox({ height: 1, width: 1 }, [0.08, 1], RATIO, createRandom(1))).toEqual({
      top: 0,
      left: 0,
      height: 1,
      width: 1,
    });
  });
});

it('a centred square may lie between pixels', () => {
  expect(centredSquare({ height: 4, width: 7 })).toEqual({ top: 0, left: 1.5, height: 4, width: 4 });
});
