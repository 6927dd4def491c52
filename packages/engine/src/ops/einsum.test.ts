/** What einsum refuses, and that its products agree with TF.js's own einsum, which has no gradient. */
import { expect, it } from 'vitest';
import { tensorOf } from '../testing/compare.js';
import { tf } from '../tf.js';
import { einsum } from './einsum.js';

const tensor = (seed: number, shape: number[]) => {
  const { data } = tensorOf(seed, shape);
  return tf.tensor(data as Float32Array, shape);
};

it.each([
  ['bij,bjk->bik', [2, 3, 4], [2, 4, 5]],
  ['bhid,bhjd->bhij', [2, 2, 3, 4], [2, 2, 5, 4]],
  ['ij,j->i', [3, 4], [4]],
])("agrees with tf.einsum on '%s'", async (equation, a, b) => {
  await tf.setBackend('cpu');
  const operands = [tensor(1, a), tensor(2, b)] as const;
  const [ours, theirs] = [einsum(equation, ...operands), tf.einsum(equation, ...operands)];
  expect(ours.shape).toEqual(theirs.shape);
  const expected = theirs.dataSync();
  for (const [index, value] of ours.dataSync().entries()) expect(value).toBeCloseTo(expected[index]!, 5);
});

it.each([
  ['bij,bjk', 2, "there is not one '->'"],
  ['ij,jk->ik', 1, '2 operands are named and 1 given'],
  ['ii,jk->ik', 2, "a letter stands twice in 'ii'"],
  ['ij,kj->ik', 2, "'j' is 3 and 2"],
  ['ij,jk->il', 2, "'l' is in the result alone"],
  ['ijk,jk->i', 2, "'ijk' is said of a tensor of shape [2,3]"],
  ['...j,jk->...k', 2, "'...j' is not made of letters"],
])("says what is wrong with '%s'", async (equation, count, why) => {
  await tf.setBackend('cpu');
  const operands = [tensor(1, [2, 3]), tensor(2, [3, 2])].slice(0, count);
  expect(() => einsum(equation, ...operands)).toThrow(why);
});
