/** Views as a whole: what depends on what, and what each kind is made of. */
import { createRandom } from '@rela/random';
import { describe, expect, it } from 'vitest';
import type { DecodedImage } from '../image.js';
import { noise } from '../testing/fixtures.js';
import { type ViewKind, type ViewNumber, viewRecipe, viewsOf } from './recipe.js';
import { createViewer, viewKey } from './viewer.js';

function image(side: number, channels: 1 | 3): DecodedImage {
  return { data: noise(side * side * channels), height: side, width: side, channels };
}

interface Asked {
  kind: ViewKind;
  view?: ViewNumber;
  epoch?: number;
  index?: number;
  size?: number;
  channels?: 1 | 3;
  from?: DecodedImage;
}

function draw({ kind, view = 1, epoch = 0, index = 0, size = 12, channels = 1, from }: Asked): Float32Array {
  const mean = Array.from({ length: channels }, () => 0);
  const viewer = createViewer({ size, channels, mean, std: mean.map(() => 1) });
  const out = new Float32Array(viewer.floats);
  const random = createRandom(7, ...viewKey(epoch, index, view));
  viewer.draw(from ?? image(14, channels), kind, view, random, out, 0);
  return out;
}

describe('a view', () => {
  it.each<ViewKind>(['rela', 'byol', 'supervised'])(
    'is another one for another epoch, image and view, and the same one otherwise (%s)',
    (kind) => {
      const view = [...draw({ kind })];
      expect([...draw({ kind })]).toEqual(view);
      expect([...draw({ kind, epoch: 1 })]).not.toEqual(view);
      expect([...draw({ kind, index: 1 })]).not.toEqual(view);
      expect([...draw({ kind, view: 2 })]).not.toEqual(view);
    },
  );

  it('does not depend on the views that were drawn before it', () => {
    const viewer = createViewer({ size: 12, channels: 3, mean: [0, 0, 0], std: [1, 1, 1] });
    const out = new Float32Array(2 * viewer.floats);
    for (const [index, side] of [40, 14].entries())
      viewer.draw(
        image(side, 3),
        'byol',
        1,
        createRandom(7, ...viewKey(0, 0, 1)),
        out,
        index * viewer.floats,
      );
    expect([...out.subarray(viewer.floats)]).toEqual([...draw({ kind: 'byol', channels: 3 })]);
  });

  it('shows the centre of the image, normalised, where it is plain', () => {
    const viewer = createViewer({ size: 2, channels: 1, mean: [0.5], std: [0.25] });
    const wide = {
      data: Uint8Array.of(9, 0, 255, 9, 9, 255, 51, 9),
      height: 2,
      width: 4,
      channels: 1,
    } as const;
    const out = new Float32Array(6);
    viewer.draw(wide, 'plain', 1, createRandom(0), out, 1);
    expect([...out]).toEqual([0, -2, 2, 2, -1.2, 0].map((value) => expect.closeTo(value, 5)));
  });

  it('repeats a grey image in three channels where the data set is coloured', () => {
    const out = draw({ kind: 'plain', channels: 3, size: 4, from: image(4, 1) });
    for (let index = 0; index < out.length; index += 3)
      expect(out[index + 1] === out[index] && out[index + 2] === out[index]).toBe(true);
  });

  it('stays within 0 and 1 before it is normalised', () => {
    for (const kind of ['rela', 'byol'] as const)
      for (let index = 0; index < 200; index++) {
        const values = draw({ kind, index, channels: 3 });
        expect(Math.min(...values)).toBeGreaterThan(-1e-6);
        expect(Math.max(...values)).toBeLessThan(1 + 1e-6);
      }
  });

  it('of a supervised run is the image moved by up to an eighth of its side over black, never mirrored', () => {
    const side = 16;
    const from = {
      data: noise(side * side).map((value) => Math.max(1, value)),
      height: side,
      width: side,
      channels: 1,
    } as const;
    const moves = new Set<string>();
    for (let index = 0; index < 300; index++) {
      const out = draw({ kind: 'supervised', index, size: side, from });
      const move = movesOf(from.data, out, side);
      expect(move).not.toBeNull();
      moves.add(String(move));
    }
    expect(moves.size).toBe(25); // −2 to 2 both ways
  });
});

/** The only (down, right) by which `out` is `data` moved over black. */
function movesOf(data: Uint8Array, out: Float32Array, side: number): [number, number] | null {
  for (let down = -2; down <= 2; down++)
    for (let right = -2; right <= 2; right++) {
      const isMoved = out.every((value, index) => {
        const [row, column] = [Math.floor(index / side) - down, (index % side) - right];
        const inside = row >= 0 && row < side && column >= 0 && column < side;
        return Math.abs(value - (inside ? data[row * side + column]! / 255 : 0)) < 1e-6;
      });
      if (isMoved) return [down, right];
    }
  return null;
}

describe('the recipe of a view', () => {
  it("is the paper's for ReLA, the same for both views", () => {
    expect(viewRecipe('rela', 1, 28)).toEqual({
      crop: { kind: 'random-resized', scale: [0.5, 1], ratio: [3 / 4, 4 / 3] },
      flip: 0.5,
      jitter: { p: 0.8, brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2 },
      grayscale: 0.2,
      blur: null,
      solarize: 0,
    });
    expect(viewRecipe('rela', 2, 224)).toEqual(viewRecipe('rela', 1, 28));
  });

  it("is the paper's for BYOL at 224 pixels, without blur and with larger crops where images are small", () => {
    expect(viewRecipe('byol', 1, 224)).toMatchObject({
      crop: { scale: [0.08, 1] },
      blur: { p: 1, kernel: 23 },
      solarize: 0,
    });
    expect(viewRecipe('byol', 2, 224)).toMatchObject({ blur: { p: 0.1, kernel: 23 }, solarize: 0.2 });
    expect(viewRecipe('byol', 1, 28)).toMatchObject({ crop: { scale: [0.2, 1] }, blur: null });
  });

  it('flips no small image of a supervised run', () => {
    expect(viewRecipe('supervised', 1, 28)).toMatchObject({ crop: { kind: 'padded', padding: 4 }, flip: 0 });
    expect(viewRecipe('supervised', 1, 224)).toMatchObject({ crop: { kind: 'random-resized' }, flip: 0.5 });
  });

  it('is applied with the probabilities that it names', () => {
    const white = { data: new Uint8Array(144).fill(255), height: 12, width: 12, channels: 1 } as const;
    let darkened = 0;
    for (let index = 0; index < 2000; index++)
      if (draw({ kind: 'byol', view: 2, index, from: white }).every((value) => value < 0.5)) darkened++;
    // Solarised (0.2): white becomes black unless the jitter (0.8) brought it below one half, which 0.4 never does.
    expect(darkened / 2000).toBeGreaterThan(0.17);
    expect(darkened / 2000).toBeLessThan(0.23);
  });

  it('has two views where the loss compares two', () => {
    expect((['rela', 'byol', 'supervised', 'plain'] as const).map(viewsOf)).toEqual([2, 2, 1, 1]);
  });
});

it('a viewer needs a mean and a std a channel', () => {
  expect(() => createViewer({ size: 8, channels: 3, mean: [0], std: [1] })).toThrow(RangeError);
});
