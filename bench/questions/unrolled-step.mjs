// What do several steps in one call save, where a call costs as much as its work? A perceptron of two layers, one thread.
import { compile, tf } from '@rela/engine';
import { createRandom } from '@rela/random';
import { inTurn } from '../pairs.mjs';

const PAIRS = 15;
/** Steps of one sample. */
const STEPS = 256;
const WIDTHS = [16, 128];
const COUNTS = [4, 16];

function tensor(shape, name) {
  const random = createRandom(1, name);
  const size = shape.reduce((product, side) => product * side, 1);
  return { shape, dtype: 'float32', data: Float32Array.from({ length: size }, () => random.normal()) };
}

function step({ first, bias, second }, { x, y }) {
  const loss = (w, b, v) => tf.losses.meanSquaredError(y, tf.matMul(tf.relu(tf.add(tf.matMul(x, w), b)), v));
  const { value, grads } = tf.valueAndGrads(loss)([first, bias, second]);
  const updated = (weight, gradient) => tf.sub(weight, tf.mul(gradient, 1e-4));
  return {
    state: {
      first: updated(first, grads[0]),
      bias: updated(bias, grads[1]),
      second: updated(second, grads[2]),
    },
    metrics: { loss: value },
  };
}

/** A function that makes STEPS steps, `unroll` a call, and resolves with the seconds of one. */
async function prepared(width, unroll) {
  const state = {
    first: tensor([width, width], 'first'),
    bias: tensor([width], 'bias'),
    second: tensor([width, 1], 'second'),
  };
  const batch = {
    x: { shape: [width, width], dtype: 'float32' },
    y: { shape: [width, 1], dtype: 'float32' },
  };
  const ready = await compile(step, { state, batch, unroll, engine: 'compiled', threads: 1 });
  const stack = unroll === 1 ? [] : [unroll];
  const given = { x: tensor([...stack, width, width], 'x'), y: tensor([...stack, width, 1], 'y') };
  return async () => {
    const began = performance.now();
    for (let made = 0; made < STEPS; made += unroll) await ready.run(given);
    return (performance.now() - began) / 1000 / STEPS;
  };
}

export async function measure(say) {
  const cases = [];
  for (const width of WIDTHS)
    for (const count of COUNTS) {
      const name = `width ${width}, ${count} a call`;
      const sides = [await prepared(width, count), await prepared(width, 1)];
      const timing = await inTurn(...sides, { pairs: PAIRS, say: (text) => say(`${name} ${text}`) });
      cases.push({ name, unit: 's', ...timing });
    }
  return cases;
}
