import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decodeTensors, encodeTensors, readTensorHeader } from './tensor-file.js';

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-tensors-'));
  path = join(folder, 'file.safetensors');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

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

/** A file with that header and data. */
function written(header: unknown, data: Uint8Array): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

it('reads halves, brain floats, doubles and long integers as others write them', () => {
  const halves = Buffer.from(Uint16Array.from([0x3c00, 0xc000, 0x0001, 0x7c00, 0x3555]).buffer);
  const brain = Buffer.from(Uint16Array.from([0x3f80, 0xc000]).buffer);
  const doubles = Buffer.from(Float64Array.from([0.5, -3]).buffer);
  const longs = Buffer.from(BigInt64Array.from([-9n]).buffer);
  const header = {
    half: { dtype: 'F16', shape: [5], data_offsets: [0, 10] },
    brain: { dtype: 'BF16', shape: [2], data_offsets: [10, 14] },
    double: { dtype: 'F64', shape: [2], data_offsets: [14, 30] },
    long: { dtype: 'I64', shape: [], data_offsets: [30, 38] },
  };
  const { tensors } = decodeTensors(written(header, Buffer.concat([halves, brain, doubles, longs])));
  const { half, brain: bfloat, double, long } = tensors;
  expect([...half!.data]).toEqual([1, -2, 2 ** -24, Number.POSITIVE_INFINITY, Math.fround(0x555 / 0x1000)]);
  expect([...bfloat!.data]).toEqual([1, -2]);
  expect([...double!.data]).toEqual([0.5, -3]);
  expect(long).toEqual({ dtype: 'int32', shape: [], data: Int32Array.from([-9]) });
});

it.each([
  ['is a list', []],
  ['names no type', { weight: { shape: [1], data_offsets: [0, 4] } }],
  ['has a shape that is none', { weight: { dtype: 'F32', shape: [-1], data_offsets: [0, 4] } }],
  ['places a tensor behind the end', { weight: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }],
  ['begins behind its end', { weight: { dtype: 'F32', shape: [1], data_offsets: [4, 0] } }],
  [
    'gives a tensor another place than it takes',
    { weight: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } },
  ],
])('refuses a header that %s, also where it reads the header alone', async (_, header) => {
  const file = written(header, Buffer.alloc(4));
  expect(() => decodeTensors(file)).toThrow(/damaged/);
  await writeFile(path, file);
  await expect(readTensorHeader(path)).rejects.toThrow(/damaged/);
});

it('names the tensor and the type that it does not read', () => {
  const header = { weight: { dtype: 'F8_E4M3', shape: [4], data_offsets: [0, 4] } };
  expect(() => decodeTensors(written(header, Buffer.alloc(4)))).toThrow(
    /^Tensor "weight" has the type F8_E4M3; F32, .*BF16.* are read/,
  );
});

it('tells of the header alone what decoding would give', async () => {
  await writeFile(path, file());
  const specs = Object.entries(tensors).map(([name, { shape, dtype }]) => [name, { shape, dtype }]);
  expect(await readTensorHeader(path)).toEqual({
    specs: Object.fromEntries(specs),
    metadata: { note: 'hello' },
  });
});
