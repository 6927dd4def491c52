import type { Preprocessing } from '@rela/contracts';
import { describe, expect, it } from 'vitest';
import type { DecodedImage } from './image.js';
import { inputLength, preprocess } from './preprocess.js';
import { seeded } from './testing/models.js';

/** Bytes as they are: scale `byte`, mean 0, std 1. */
function plain(height: number, width: number, channels: 1 | 3 = 1): Preprocessing {
  const [mean, std] = [new Array<number>(channels).fill(0), new Array<number>(channels).fill(1)];
  return { height, width, channels, layout: 'nhwc', dtype: 'float32', scale: 'byte', mean, std };
}

function randomImage(height: number, width: number, channels: 1 | 3, seed = 1): DecodedImage {
  const random = seeded(seed);
  const data = Uint8Array.from({ length: height * width * channels }, () => Math.floor((random() + 1) * 128));
  return { data, height, width, channels };
}

function run(image: DecodedImage, preprocessing: Preprocessing): number[] {
  const into = new Float32Array(inputLength(preprocessing));
  preprocess(image, preprocessing, into, 0);
  return [...into];
}

/** torch.nn.functional.interpolate(mode='bilinear', antialias=True) of one axis, from its definition. */
function resampleNaively(values: number[], to: number): number[] {
  const scale = values.length / to;
  const support = Math.max(1, scale);
  return Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const weights = values.map((_, position) => Math.max(0, 1 - Math.abs(position + 0.5 - centre) / support));
    const sum = weights.reduce((a, b) => a + b);
    return weights.reduce((total, weight, position) => total + (weight / sum) * values[position]!, 0);
  });
}

function resizeNaively(
  { data, height, width }: DecodedImage,
  to: { height: number; width: number },
): number[][] {
  const rows = Array.from({ length: height }, (_, row) =>
    resampleNaively([...data.subarray(row * width, (row + 1) * width)], to.width),
  );
  const columns = Array.from({ length: to.width }, (_, column) =>
    resampleNaively(
      rows.map((row) => row[column]!),
      to.height,
    ),
  );
  return Array.from({ length: to.height }, (_, row) => columns.map((column) => column[row]!));
}

function expectClose(actual: number[], expected: number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [index, value] of actual.entries())
    expect(Math.abs(value - expected[index]!)).toBeLessThan(1e-3);
}

it('passes an image of the right size as it is', () => {
  const image = randomImage(7, 5, 3);
  expect(run(image, plain(7, 5, 3))).toEqual([...image.data]);
});

it('scales to [0, 1], subtracts the mean and divides by the standard deviation', () => {
  const image = { data: Uint8Array.from([0, 128, 255]), height: 1, width: 1, channels: 3 as const };
  const preprocessing = {
    ...plain(1, 1, 3),
    scale: 'unit' as const,
    mean: [0.1, 0.2, 0.3],
    std: [0.5, 0.25, 2],
  };
  expectClose(run(image, preprocessing), [-0.2, (128 / 255 - 0.2) / 0.25, 0.35]);
});

it('lays out channels first and channels last', () => {
  const image = randomImage(2, 3, 3);
  const last = run(image, plain(2, 3, 3));
  const first = run(image, { ...plain(2, 3, 3), layout: 'nchw' });
  for (let position = 0; position < 6; position++)
    for (let channel = 0; channel < 3; channel++)
      expect(first[channel * 6 + position]).toBe(last[position * 3 + channel]);
});

it('repeats grey for a colour input and takes the luma of colours for a grey one', () => {
  const grey = randomImage(2, 2, 1);
  expect(run(grey, plain(2, 2, 3))).toEqual([...grey.data].flatMap((value) => [value, value, value]));
  const colour = { data: Uint8Array.from([100, 200, 50]), height: 1, width: 1, channels: 3 as const };
  expectClose(run(colour, plain(1, 1, 1)), [0.299 * 100 + 0.587 * 200 + 0.114 * 50]);
});

it.each([
  [4, 4, 9, 9],
  [11, 11, 4, 4],
  [28, 28, 32, 32],
])('resizes %i×%i to %i×%i by antialiased bilinear weights', (height, width, toHeight, toWidth) => {
  const image = randomImage(height, width, 1);
  const expected = resizeNaively(image, { height: toHeight, width: toWidth });
  expectClose(run(image, plain(toHeight, toWidth)), expected.flat());
});

it('fits the short side and crops the long one at its centre', () => {
  const image = randomImage(6, 15, 1);
  // torchvision: 15 · 4/6 = 10 columns, of which round(3) to 7 stay.
  const expected = resizeNaively(image, { height: 4, width: 10 }).map((row) => row.slice(3, 7));
  expectClose(run(image, plain(4, 4)), expected.flat());
  const tall = randomImage(15, 6, 1);
  expectClose(run(tall, plain(4, 4)), resizeNaively(tall, { height: 10, width: 4 }).slice(3, 7).flat());
});

it.each([
  [9, 2],
  [11, 4],
])('crops %i columns to 4 from column %i on, where torchvision rounds halves to even', (width, from) => {
  const image = randomImage(4, width, 1);
  const expected = [0, 1, 2, 3].flatMap((row) => [
    ...image.data.subarray(row * width + from, row * width + from + 4),
  ]);
  expect(run(image, plain(4, 4))).toEqual(expected);
});

it('covers an input that is not square', () => {
  const image = randomImage(10, 10, 1);
  expectClose(run(image, plain(4, 6)), resizeNaively(image, { height: 6, width: 6 }).slice(1, 5).flat());
});

it('rounds to bytes for a byte input', () => {
  const into = new Uint8Array(9);
  const preprocessing: Preprocessing = { ...plain(3, 3), dtype: 'uint8' };
  const image = randomImage(5, 5, 1);
  preprocess(image, preprocessing, into, 0);
  expect([...into]).toEqual(run(image, plain(3, 3)).map(Math.round));
  preprocess({ ...image, data: new Uint8Array(25).fill(255) }, preprocessing, into, 0);
  expect([...into]).toEqual(new Array(9).fill(255));
});

it('writes at its place in the batch, whatever the sizes before', () => {
  const preprocessing = plain(3, 3);
  const into = new Float32Array(18);
  preprocess(randomImage(8, 5, 3), preprocessing, into, 0);
  const image = randomImage(4, 9, 1);
  preprocess(image, preprocessing, into, 9);
  expect([...into.subarray(9)]).toEqual(run(image, plain(3, 3)));
});

it('gives the same values in both layouts, of images of several sizes and colours in turn', () => {
  for (const channels of [1, 3] as const) {
    const [mean, std] = [
      [0.4, 0.5, 0.6],
      [0.2, 0.3, 0.4],
    ].map((values) => values.slice(0, channels)) as [number[], number[]];
    const last: Preprocessing = { ...plain(6, 5, channels), scale: 'unit', mean, std };
    const first: Preprocessing = { ...last, layout: 'nchw' };
    for (const image of [
      randomImage(9, 11, 3),
      randomImage(9, 11, 1),
      randomImage(400, 300, 3),
      randomImage(3, 2, 3),
    ]) {
      const rows = run(image, last);
      const moved = Array.from({ length: channels }, (_, channel) =>
        rows.filter((_, index) => index % channels === channel),
      );
      const values = run(image, first);
      expect(values).toHaveLength(rows.length);
      for (const [index, value] of moved.flat().entries()) expect(values[index]).toBeCloseTo(value, 4);
    }
  }
});

describe('an image with too few bytes', () => {
  it('is refused', () => {
    const image: DecodedImage = { data: new Uint8Array(3), height: 2, width: 2, channels: 1 };
    expect(() => run(image, plain(2, 2))).toThrow(RangeError);
  });
});
