/** Views as a whole: what depends on what, and what each kind is made of. */
import type { ViewRecipe } from '@rela/contracts';
import { createRandom } from '@rela/random';
import { describe, expect, it } from 'vitest';
import type { DecodedImage } from '../image.js';
import { noise } from '../testing/fixtures.js';
import { cropped } from '../testing/recipes.js';
import { createViewer, viewFloats, viewKey } from './viewer.js';

const EVERYTHING: Partial<ViewRecipe> = {
  flip: 0.5,
  jitter: { p: 0.8, brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2 },
  grayscale: 0.2,
  blur: { p: 0.5, kernel: 3 },
  solarize: 0.2,
};
const PADDED: Partial<ViewRecipe> = { crop: { kind: 'padded', padding: 2 } };
const PLAIN: Partial<ViewRecipe> = { crop: { kind: 'centre' } };

function image(side: number, channels: 1 | 3): DecodedImage {
  return { data: noise(side * side * channels), height: side, width: side, channels };
}

interface Asked {
  recipe: Partial<ViewRecipe>;
  view?: number;
  epoch?: number;
  index?: number;
  size?: number;
  channels?: 1 | 3;
  from?: DecodedImage;
}

const viewerOf = (channels: 1 | 3) => {
  const mean = Array.from({ length: channels }, () => 0);
  return createViewer({ channels, mean, std: mean.map(() => 1) });
};

function draw(asked: Asked): Float32Array {
  const { view = 1, epoch = 0, index = 0, size = 12, channels = 1, from } = asked;
  const recipe = cropped(size, asked.recipe);
  const out = new Float32Array(viewFloats(recipe, channels));
  const random = createRandom(7, ...viewKey(epoch, index, view));
  viewerOf(channels).draw(from ?? image(14, channels), recipe, random, out, 0);
  return out;
}

describe('a view', () => {
  it.each([
    ['a crop', {}],
    ['every operation', EVERYTHING],
    ['a padded image', PADDED],
  ])('is another one for another epoch, image and view, and the same one otherwise (%s)', (_, recipe) => {
    const view = [...draw({ recipe })];
    expect([...draw({ recipe })]).toEqual(view);
    expect([...draw({ recipe, epoch: 1 })]).not.toEqual(view);
    expect([...draw({ recipe, index: 1 })]).not.toEqual(view);
    expect([...draw({ recipe, view: 2 })]).not.toEqual(view);
  });

  it('does not depend on the views that were drawn before it, of whatever size and recipe', () => {
    const viewer = viewerOf(3);
    const strong = cropped(12, EVERYTHING);
    const blurred = cropped(12, { blur: { p: 1, kernel: 5 } });
    const out = new Float32Array(3 * 12 * 12);
    for (const [recipe, side] of [
      [strong, 40],
      [cropped(6), 9],
      [blurred, 14],
      [strong, 14],
    ] as const)
      viewer.draw(image(side, 3), recipe, createRandom(7, ...viewKey(0, 0, 1)), out, 0);
    expect([...out]).toEqual([...draw({ recipe: EVERYTHING, channels: 3 })]);
  });

  it('shows the centre of the image, normalised, where it is plain', () => {
    const viewer = createViewer({ channels: 1, mean: [0.5], std: [0.25] });
    const wide = {
      data: Uint8Array.of(9, 0, 255, 9, 9, 255, 51, 9),
      height: 2,
      width: 4,
      channels: 1,
    } as const;
    const out = new Float32Array(6);
    viewer.draw(wide, cropped(2, PLAIN), createRandom(0), out, 1);
    expect([...out]).toEqual([0, -2, 2, 2, -1.2, 0].map((value) => expect.closeTo(value, 5)));
  });

  it('repeats a grey image in three channels where the data set is coloured', () => {
    const out = draw({ recipe: PLAIN, channels: 3, size: 4, from: image(4, 1) });
    for (let index = 0; index < out.length; index += 3)
      expect(out[index + 1] === out[index] && out[index + 2] === out[index]).toBe(true);
  });

  it('stays within 0 and 1 before it is normalised', () => {
    for (let index = 0; index < 400; index++) {
      const values = draw({ recipe: EVERYTHING, index, channels: 3 });
      expect(Math.min(...values)).toBeGreaterThan(-1e-6);
      expect(Math.max(...values)).toBeLessThan(1 + 1e-6);
    }
  });

  it('of a padded image is the image moved by up to its padding over black, never mirrored', () => {
    const side = 16;
    const from = {
      data: noise(side * side).map((value) => Math.max(1, value)),
      height: side,
      width: side,
      channels: 1,
    } as const;
    const moves = new Set<string>();
    for (let index = 0; index < 300; index++) {
      const out = draw({ recipe: PADDED, index, size: side, from });
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

it('a recipe is applied with the probabilities that it names', () => {
  const white = { data: new Uint8Array(144).fill(255), height: 12, width: 12, channels: 1 } as const;
  const recipe = {
    solarize: 0.2,
    jitter: { p: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1 },
  };
  let darkened = 0;
  for (let index = 0; index < 2000; index++)
    if (draw({ recipe, index, from: white }).every((value) => value < 0.5)) darkened++;
  // Solarised (0.2): white becomes black unless the jitter (0.8) brought it below one half, which 0.4 never does.
  expect(darkened / 2000).toBeGreaterThan(0.17);
  expect(darkened / 2000).toBeLessThan(0.23);
});

it('a viewer needs a mean and a std a channel', () => {
  expect(() => createViewer({ channels: 3, mean: [0], std: [1] })).toThrow(RangeError);
});
