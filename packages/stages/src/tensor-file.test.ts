import { expect, it } from 'vitest';
import { decodeTensors, encodeTensors } from './tensor-file.js';

const tensors = {
  weight: {
    dtype: 'float32' as const,
    shape: [2, 3],
    data: new Float32Array([1, -2, 3.5, 0, Number.NaN, 1e-30]),
  },
  count: { dtype: 'int32' as const, shape: [], data: new Int32Array([-7]) },
  mask: { dtype: 'bool' as const, shape: [3], data: new Uint8Array([1, 0, 1]) },
};
const file = () => Buffer.concat([...encodeTensors(tensors, { note: 'hello' })]);

it('gives back every tensor bit for bit, and the metadata', () => {
  const read = decodeTensors(file());
  expect(read.tensors).toEqual(tensors);
  expect(read.metadata).toEqual({ note: 'hello' });
});

it('starts the data at a multiple of eight bytes', () => {
  expect((8 + Number(file().readBigUInt64LE(0))) % 8).toBe(0);
});

it('refuses a file that was cut off', () => {
  expect(() => decodeTensors(file().subarray(0, -4))).toThrow(/damaged/);
  expect(() => decodeTensors(file().subarray(0, 5))).toThrow(/shorter than its header/);
});

it('refuses a header that promises more than there is', () => {
  const broken = file();
  broken.writeBigUInt64LE(2n ** 40n, 0);
  expect(() => decodeTensors(broken)).toThrow(/shorter than its header/);
});
