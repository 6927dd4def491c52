import { tf } from '@rela/engine';
import { expect, it } from 'vitest';
import { countCorrect, crossEntropy, meanCosine, relaLoss } from './losses.js';
import { numbers } from './testing/eager.js';
import { normal } from './testing/tiny.js';

const B = 5;
const K = 7;
const table = (seed: number) => normal([B, K], seed).data;
const tensor = (seed: number) => tf.tensor2d(table(seed), [B, K]);

/** cos of row `row`, in float64 */
function cosine(a: Float32Array, b: Float32Array, row: number): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let at = row * K; at < (row + 1) * K; at++) {
    dot += a[at]! * b[at]!;
    aa += a[at]! ** 2;
    bb += b[at]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}
const average = (of: (row: number) => number) =>
  Array.from({ length: B }, (_, row) => of(row)).reduce((a, b) => a + b) / B;

it('computes the ReLA loss of the paper', async () => {
  const expected =
    0.5 * average((row) => 1 - cosine(table(1), table(3), row)) +
    0.5 * average((row) => 1 - cosine(table(2), table(3), row));
  const [loss] = await numbers(() => relaLoss([tensor(1), tensor(2)], tensor(3)));
  expect(loss).toBeCloseTo(expected, 6);
});

it('gives 0 for perfect agreement and 2 for the opposite, whatever the lengths', async () => {
  const same = await numbers(() => relaLoss([tensor(1), tf.mul(tensor(1), 1e3)], tensor(1)));
  const opposite = await numbers(() => relaLoss([tensor(1), tensor(1)], tf.mul(tensor(1), -2)));
  expect(same[0]).toBeCloseTo(0, 6);
  expect(opposite[0]).toBeCloseTo(2, 6);
});

it('stays finite, with its gradient, where a target or a feature is all zeros', async () => {
  const gradient = await numbers(() => tf.grad((x) => meanCosine(x as never, tensor(1)))(tf.zeros([B, K])));
  expect(gradient.every(Number.isFinite)).toBe(true);
  const [cosineOfNothing] = await numbers(() => meanCosine(tf.zeros([B, K]), tensor(1)));
  expect(cosineOfNothing).toBe(0);
});

it('averages the cross-entropy over the labelled rows', async () => {
  const logits = table(4);
  const labels = [2, -1, 0, 6, -1];
  let expected = 0;
  for (const row of [0, 2, 3]) {
    const scores = [...logits.subarray(row * K, (row + 1) * K)];
    expected +=
      (Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - scores[labels[row]!]!) / 3;
  }
  const [loss] = await numbers(() => crossEntropy(tensor(4), tf.tensor1d(labels, 'int32')));
  expect(loss).toBeCloseTo(expected, 5);
});

it('has neither loss nor gradient without a labelled row', async () => {
  const none = () => tf.fill([B], -1, 'int32') as never;
  expect((await numbers(() => crossEntropy(tensor(4), none())))[0]).toBeCloseTo(0, 9);
  const gradient = await numbers(() => tf.grad((x) => crossEntropy(x as never, none()))(tensor(4)));
  expect(gradient.every((value) => value === 0)).toBe(true);
});

it('counts the labelled rows that are right', async () => {
  const logits = () =>
    tf.tensor2d([
      [1, 2],
      [3, 1],
      [0, 5],
      [4, 0],
    ]);
  expect(await numbers(() => countCorrect(logits(), tf.tensor1d([1, 1, -1, 0], 'int32')))).toEqual([2]);
});
