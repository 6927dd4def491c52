import { expect, it } from 'vitest';
import { tf } from '../tf.js';
import { record } from './record.js';

const inputs = { x: { shape: [2, 6], dtype: 'float32' as const } };

it('numbers that depend on no input can be read while a function is recorded, those that do cannot', () => {
  const seen: number[][] = [];
  const graph = record(
    ({ x }) => {
      const shape = tf.tensor1d(x!.shape, 'int32');
      const [rows, columns] = tf.split(shape, 2);
      const sizes = tf.concat([tf.mul(rows!, 3), tf.cast(tf.div(columns!, 3), 'int32')]);
      seen.push([...sizes.dataSync()]);
      return { y: tf.reshape(x!, [...sizes.dataSync()]) };
    },
    { inputs },
  );
  expect(seen).toEqual([[6, 2]]);
  expect(graph.outputs.get('y')!.shape).toEqual([6, 2]);
  expect(() => record(({ x }) => ({ y: tf.fill([tf.sum(x!).dataSync()[0]!], 1) }), { inputs })).toThrow(
    /cannot depend on them/,
  );
});
