/** Resampling, colour and blur against their definitions. */
import { describe, expect, it } from 'vitest';
import { noise } from '../testing/fixtures.js';
import { GaussianBlur } from './blur.js';
import { brighten, contrast, grey, saturate, solarize, turnHue } from './colour.js';
import type { Box } from './crop.js';
import { Resampler } from './resample.js';

const floats = (count: number, seed = 1) => Float32Array.from(noise(count, seed), (value) => value / 255);

/** Bilinear with antialiasing, straight from its definition, in double precision. */
function reference(data: Uint8Array, width: number, channels: number, box: Box, size: number): number[] {
  const triangle = (length: number, start: number, index: number) => {
    const scale = length / size;
    const radius = Math.max(scale, 1);
    const centre = start + (index + 0.5) * scale;
    const weights: [number, number][] = [];
    for (let input = start; input < start + length; input++)
      weights.push([input, Math.max(0, 1 - Math.abs(input + 0.5 - centre) / radius)]);
    const sum = weights.reduce((total, [, weight]) => total + weight, 0);
    return weights.map(([input, weight]) => [input, weight / sum] as const);
  };
  const result: number[] = [];
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++)
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (const [y, vertical] of triangle(box.height, box.top, row))
          for (const [x, horizontal] of triangle(box.width, box.left, column))
            sum += vertical * horizontal * data[(y * width + x) * channels + channel]!;
        result.push(sum / 255);
      }
  return result;
}

describe('resampling', () => {
  it.each([
    ['smaller', { top: 2, left: 1, height: 13, width: 17 }, 5, 1],
    ['larger', { top: 3, left: 4, height: 4, width: 6 }, 9, 1],
    ['smaller, in colour', { top: 0, left: 0, height: 20, width: 18 }, 7, 3],
    ['larger, in colour', { top: 5, left: 5, height: 3, width: 2 }, 8, 3],
  ] as const)('gives what its definition says: %s', (_, box, size, channels) => {
    const data = noise(20 * 18 * channels);
    const out = new Float32Array(size * size * channels);
    new Resampler(size, channels).resample({ data, height: 20, width: 18, channels }, box, false, out);
    for (const [index, expected] of reference(data, 18, channels, box, size).entries())
      expect(out[index]).toBeCloseTo(expected, 6);
  });

  it('leaves an image of the right size as it is, or mirrors it', () => {
    const image = { data: noise(27), height: 3, width: 3, channels: 3 } as const;
    const box = { top: 0, left: 0, height: 3, width: 3 };
    const resampler = new Resampler(3, 3);
    const [same, mirrored] = [new Float32Array(27), new Float32Array(27)];
    resampler.resample(image, box, false, same);
    resampler.resample(image, box, true, mirrored);
    for (let row = 0; row < 3; row++)
      for (let column = 0; column < 3; column++)
        for (let channel = 0; channel < 3; channel++) {
          const index = (row * 3 + column) * 3 + channel;
          expect(same[index]).toBeCloseTo(image.data[index]! / 255, 6);
          expect(mirrored[(row * 3 + 2 - column) * 3 + channel]).toBeCloseTo(image.data[index]! / 255, 6);
        }
  });

  it('takes a box between pixels', () => {
    const image = { data: Uint8Array.of(0, 255, 255, 0), height: 1, width: 4, channels: 1 } as const;
    const out = new Float32Array(1);
    new Resampler(1, 1).resample(image, { top: 0, left: 1.5, height: 1, width: 1 }, false, out);
    expect(out[0]).toBeCloseTo(1, 6);
  });
});

describe('colour', () => {
  const [red, green, blue] = [0.299, 0.587, 0.114];
  const lumaOf = (pixels: Float32Array, index: number) =>
    red * pixels[index]! + green * pixels[index + 1]! + blue * pixels[index + 2]!;

  it('is unchanged by factors of one and a turn of nothing or of a whole', () => {
    const pixels = floats(30);
    brighten(pixels, 1);
    contrast(pixels, 3, 1);
    saturate(pixels, 3, 1);
    turnHue(pixels, 3, 0);
    for (const [index, value] of floats(30).entries()) expect(pixels[index]).toBeCloseTo(value, 6);
  });

  it('loses its contrast to the mean luma and its saturation to the luma of each pixel', () => {
    const flat = floats(30);
    contrast(flat, 3, 0);
    const lumas = Array.from({ length: 10 }, (_, pixel) => lumaOf(floats(30), 3 * pixel));
    for (const value of flat) expect(value).toBeCloseTo(lumas.reduce((sum, luma) => sum + luma) / 10, 5);
    const dull = floats(30);
    saturate(dull, 3, 0);
    const greyed = floats(30);
    grey(greyed, 3);
    expect([...dull]).toEqual([...greyed].map((value) => expect.closeTo(value, 6)));
    expect(dull[4]).toBeCloseTo(lumas[1]!, 6);
  });

  it('stays within 0 and 1', () => {
    const pixels = floats(30);
    brighten(pixels, 1.8);
    contrast(pixels, 3, 1.8);
    saturate(pixels, 3, 1.8);
    expect(Math.max(...pixels)).toBe(1);
    expect(Math.min(...pixels)).toBe(0);
  });

  it.each([
    [[1, 0, 0], 1 / 3, [0, 1, 0]],
    [[1, 0, 0], -1 / 3, [0, 0, 1]],
    [[1, 0.5, 0.5], 0.5, [0.5, 1, 1]],
    [[0.2, 0.4, 0.1], 1 / 6, [0.1, 0.4, 0.3]],
    [[0.3, 0.3, 0.3], 0.2, [0.3, 0.3, 0.3]],
  ])('turns in hue as HSV says: %j by %f', (from, turn, to) => {
    const pixels = Float32Array.from(from);
    turnHue(pixels, 3, turn);
    expect([...pixels]).toEqual(to.map((value) => expect.closeTo(value, 5)));
  });

  it('turns in hue and back', () => {
    const pixels = floats(300);
    turnHue(pixels, 3, 0.17);
    turnHue(pixels, 3, -0.17);
    expect([...pixels]).toEqual([...floats(300)].map((value) => expect.closeTo(value, 5)));
  });

  it('of a grey image has neither saturation nor hue', () => {
    const pixels = floats(10);
    saturate(pixels, 1, 0);
    turnHue(pixels, 1, 0.3);
    grey(pixels, 1);
    expect([...pixels]).toEqual([...floats(10)]);
  });

  it('is inverted from one half on by solarisation', () => {
    const pixels = Float32Array.of(0, 0.25, 0.5, 1);
    solarize(pixels);
    expect([...pixels]).toEqual([0, 0.25, 0.5, 0]);
  });
});

describe('Gaussian blur', () => {
  it('spreads a point as its kernel says, and keeps the sum', () => {
    const pixels = new Float32Array(81);
    pixels[4 * 9 + 4] = 1;
    new GaussianBlur(9, 1, 3).apply(pixels, 0.8);
    const side = Math.exp(-1 / (2 * 0.64));
    const centre = 1 / (1 + 2 * side);
    expect(pixels[4 * 9 + 4]).toBeCloseTo(centre ** 2, 6);
    expect(pixels[4 * 9 + 5]).toBeCloseTo(centre ** 2 * side, 6);
    expect(pixels[3 * 9 + 5]).toBeCloseTo(centre ** 2 * side ** 2, 6);
    expect(pixels.reduce((sum, value) => sum + value)).toBeCloseTo(1, 5);
  });

  it('mirrors the image at its edges', () => {
    const pixels = Float32Array.of(1, 0, 0, 1, 0, 0, 1, 0, 0); // columns 1, 0, 0
    new GaussianBlur(3, 1, 3).apply(pixels, 1);
    const side = Math.exp(-1 / 2) / (1 + 2 * Math.exp(-1 / 2));
    expect(pixels[3]).toBeCloseTo(1 - 2 * side, 6); // 0, 1, 0 around the first column
    expect(pixels[4]).toBeCloseTo(side, 6);
    expect(pixels[5]).toBeCloseTo(0, 6);
  });

  it('leaves an even image even, channel by channel, also where the kernel is larger than the image', () => {
    const pixels = Float32Array.from({ length: 48 }, (_, index) => (index % 3) / 2);
    new GaussianBlur(4, 3, 7).apply(pixels, 2);
    for (const [index, value] of pixels.entries()) expect(value).toBeCloseTo((index % 3) / 2, 6);
  });
});
