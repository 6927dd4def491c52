/** The views that each method takes, against what its paper says. */
import { MethodSpec } from '@rela/contracts';
import { expect, it } from 'vitest';
import { createMethod } from './methods/registry.js';
import { tinyBackbone, tinyVit } from './testing/tiny.js';
import { relaViews } from './views.js';

const viewsOf = (method: object, size: number) => {
  const spec = MethodSpec.parse(method);
  const backbone = spec.name === 'mae' ? tinyVit(3, size) : tinyBackbone(3);
  const image = { size, channels: 3 };
  return createMethod(spec, { backbone, image, classes: 3, batchSize: 4, seed: 0 }).views;
};
const RATIO = [3 / 4, 4 / 3];

it("is the paper's for ReLA, the same for both views", () => {
  const view = {
    crop: { kind: 'random-resized', scale: [0.5, 1], ratio: RATIO },
    flip: 0.5,
    jitter: { p: 0.8, brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2 },
    grayscale: 0.2,
    blur: null,
    solarize: 0,
  };
  for (const size of [28, 224])
    expect(relaViews(size)).toEqual([
      { ...view, size },
      { ...view, size },
    ]);
});

it("is the paper's for BYOL and Barlow Twins at 224 pixels, without blur and with larger crops where images are small", () => {
  for (const name of ['byol', 'barlow-twins']) {
    const [first, second] = viewsOf({ name }, 224);
    expect(first).toMatchObject({ crop: { scale: [0.08, 1] }, blur: { p: 1, kernel: 23 }, solarize: 0 });
    expect(second).toMatchObject({ blur: { p: 0.1, kernel: 23 }, solarize: 0.2 });
    expect(first!.jitter).toEqual({ p: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1 });
    expect(viewsOf({ name }, 28)[0]).toMatchObject({ size: 28, crop: { scale: [0.2, 1] }, blur: null });
  }
});

it('distorts colour at full strength for SimCLR, at half of it where images are small', () => {
  expect(viewsOf({ name: 'simclr' }, 224)[1]).toMatchObject({
    jitter: { brightness: 0.8, hue: 0.2 },
    blur: { p: 0.5, kernel: 23 },
  });
  expect(viewsOf({ name: 'simclr' }, 32)[1]).toMatchObject({
    jitter: { brightness: 0.4, hue: 0.1 },
    blur: null,
  });
});

it("is MoCo v2's for SimSiam too, and alike for both views, as VICReg's is", () => {
  expect(viewsOf({ name: 'simsiam' }, 224)).toEqual(viewsOf({ name: 'moco-v2' }, 224));
  for (const name of ['moco-v2', 'vicreg', 'simclr']) {
    const [first, second] = viewsOf({ name }, 224);
    expect(second).toEqual(first);
  }
  expect(viewsOf({ name: 'vicreg' }, 224)[0]).toMatchObject({ solarize: 0.1, blur: { p: 0.5 } });
});

it('gives DINO two large views and eight small ones of 96 pixels at 224, and the large ones alone where images are small', () => {
  const views = viewsOf({ name: 'dino' }, 224);
  expect(views.map(({ size }) => size)).toEqual([224, 224, ...Array.from({ length: 8 }, () => 96)]);
  expect(views[0]).toMatchObject({ crop: { scale: [0.4, 1] }, blur: { p: 1 } });
  expect(views[9]).toMatchObject({ crop: { scale: [0.05, 0.4] }, blur: { p: 0.5, kernel: 9 } });
  expect(viewsOf({ name: 'dino' }, 32)).toHaveLength(2);
  const asked = viewsOf({ name: 'dino', localViews: 3 }, 28);
  expect(asked.map(({ size }) => size)).toEqual([28, 28, 12, 12, 12]);
  expect(asked[2]).toMatchObject({ crop: { scale: [0.2, 0.4] }, blur: null });
});

it('leaves colours as they are for MAE, and takes one view', () => {
  const [view, ...others] = viewsOf({ name: 'mae' }, 32);
  expect(others).toEqual([]);
  expect(view).toMatchObject({ crop: { scale: [0.2, 1] }, flip: 0.5, jitter: null, grayscale: 0 });
});

it('flips no small image of a supervised run', () => {
  expect(viewsOf({ name: 'supervised' }, 28)[0]).toMatchObject({
    crop: { kind: 'padded', padding: 4 },
    flip: 0,
  });
  expect(viewsOf({ name: 'supervised' }, 224)[0]).toMatchObject({
    crop: { kind: 'random-resized' },
    flip: 0.5,
  });
});
