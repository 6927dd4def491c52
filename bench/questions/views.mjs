// Would views be cheaper inside the step's graph? ReLA's two views of a batch, drawn as the loader's thread draws them, against the same
// work as one ONNX graph on as many threads: crop, resampling and flip as two products of matrices an image, colour jitter,
// normalisation. The graph is given less to do: it jitters every image in one order, where the loader draws the order an image,
// and what the host would still have to do for it, drawing the crops and writing their matrices, is not counted.

import { createViewer, viewFloats } from '@rela/datasets';
import { compile, tf } from '@rela/engine';
import { relaViews } from '@rela/learning';
import { createRandom } from '@rela/random';
import { inTurn } from '../pairs.mjs';

const BATCH = 128;
const VIEWS = 2;
const PAIRS = 15;
const works = {
  'colour, 32 px': { size: 32, channels: 3 },
  'grey, 28 px': { size: 28, channels: 1 },
};
const MEAN = 0.5;
const STD = 0.25;
const LUMA = [0.299, 0.587, 0.114];

const tensor = (shape, data) => ({ shape, dtype: 'float32', data });
const clip = (x) => tf.clipByValue(x, 0, 1);
const blend = (x, other, factor) => clip(tf.add(tf.mul(x, factor), tf.mul(other, tf.sub(1, factor))));

function grey(x) {
  return tf.sum(tf.mul(x, tf.tensor1d(LUMA)), 3, true);
}

/** Hue turned by a part of a full turn: to HSV and back. */
function turnHue(x, turn) {
  const [r, g, b] = tf.split(x, 3, 3);
  const value = tf.max(x, 3, true);
  const chroma = tf.sub(value, tf.min(x, 3, true));
  const divisor = tf.maximum(chroma, 1e-12);
  const [isRed, isGreen] = [tf.equal(value, r), tf.equal(value, g)];
  const sector = tf.where(
    isRed,
    tf.div(tf.sub(g, b), divisor),
    tf.where(isGreen, tf.add(tf.div(tf.sub(b, r), divisor), 2), tf.add(tf.div(tf.sub(r, g), divisor), 4)),
  );
  const hue = tf.add(sector, tf.mul(turn, 6));
  const channel = (offset) => {
    const k = tf.mod(tf.add(hue, offset), 6);
    return tf.sub(value, tf.mul(chroma, tf.clipByValue(tf.minimum(k, tf.sub(4, k)), 0, 1)));
  };
  return tf.concat([channel(5), channel(3), channel(1)], 3);
}

function drawInGraph(
  { images, rows, columns, brightness, contrast, saturation, hue, isGrey },
  { size, channels },
) {
  const count = images.shape[0];
  const tall = tf.matMul(rows, tf.reshape(images, [count, size, size * channels]));
  const sides = [count, size, size, channels];
  let x = tf.matMul(tf.reshape(columns, [count, 1, size, size]), tf.reshape(tall, sides));
  x = clip(tf.mul(x, brightness));
  x = blend(x, tf.mean(channels === 3 ? grey(x) : x, [1, 2, 3], true), contrast);
  if (channels === 3) {
    x = blend(x, grey(x), saturation);
    x = turnHue(x, hue);
    x = tf.add(tf.mul(x, tf.sub(1, isGrey)), tf.mul(grey(x), isGrey));
  }
  return tf.div(tf.sub(x, MEAN), STD);
}

function givenBatch({ size, channels }) {
  const random = createRandom(1, 'views');
  const count = VIEWS * BATCH;
  const filled = (shape, draw) =>
    tensor(shape, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, draw));
  const factors = () => filled([count, 1, 1, 1], () => 0.2 + 1.6 * random.next());
  return {
    images: filled([count, size, size, channels], () => random.next()),
    rows: filled([count, size, size], () => random.next() / size),
    columns: filled([count, size, size], () => random.next() / size),
    ...{ brightness: factors(), contrast: factors(), saturation: factors() },
    hue: filled([count, 1, 1, 1], () => 0.4 * random.next() - 0.2),
    isGrey: filled([count, 1, 1, 1], () => Number(random.next() < 0.2)),
  };
}

async function inGraph(work) {
  const batch = givenBatch(work);
  const step = await compile(
    // The views have to be made, and no more than that: what is read of them is one number an image.
    ({ last }, given) => ({ state: { last: drawInGraph(given, work) }, metrics: { last: tf.sum(last) } }),
    {
      ...{ engine: 'compiled', threads: 1, batch },
      state: { last: tensor(batch.images.shape, new Float32Array(batch.images.data.length)) },
    },
  );
  return {
    async run() {
      const began = performance.now();
      await step.run(batch);
      return (performance.now() - began) / 1000;
    },
    dispose: () => step.dispose(),
  };
}

function inLoader({ size, channels }) {
  const fill = (value) => new Array(channels).fill(value);
  const viewer = createViewer({ channels, mean: fill(MEAN), std: fill(STD) });
  const random = createRandom(1, 'pixels');
  const images = Array.from({ length: BATCH }, () => ({
    data: Uint8Array.from({ length: size * size * channels }, () => random.int(256)),
    ...{ height: size, width: size, channels },
  }));
  const recipes = relaViews(size);
  const floats = viewFloats(recipes[0], channels);
  const out = new Float32Array(BATCH * floats);
  let epoch = 0;
  return async () => {
    const began = performance.now();
    epoch++;
    for (const [view, recipe] of recipes.entries())
      for (const [at, image] of images.entries())
        viewer.draw(image, recipe, createRandom(1, epoch, at, view + 1), out, at * floats);
    return (performance.now() - began) / 1000;
  };
}

export async function measure(say) {
  const cases = [];
  for (const [name, work] of Object.entries(works)) {
    const graph = await inGraph(work);
    const timing = await inTurn(inLoader(work), graph.run, {
      pairs: PAIRS,
      warmUp: 5,
      say: (text) => say(`${name} ${text}`),
    });
    await graph.dispose();
    cases.push({ name, unit: 's', ...timing, peer: 'one ONNX graph' });
  }
  return cases;
}
