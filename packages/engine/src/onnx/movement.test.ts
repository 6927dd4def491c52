import * as ort from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { blockOfThisMachine } from '../running/blocked-probe.js';
import { sizeOf, transpose } from '../tensors.js';
import { numbers } from '../testing/compare.js';
import { Builder } from './builder.js';
import { move } from './movement.js';
import { writeModel } from './write.js';

const block = await blockOfThisMachine();

/** What a movement of that many sides becomes, and whether it does what a transposition does. */
async function moved(sides: number[], perm: number[]): Promise<{ ops: string[]; isRight: boolean }> {
  const builder = new Builder();
  const last = move(builder, 'x', { sides, perm }, { block: block ?? 1, dtype: 'float32' });
  const { nodes, initializers } = builder;
  const dims = perm.map((axis) => sides[axis]!);
  const session = await ort.InferenceSession.create(
    writeModel({
      name: 'movement',
      nodes,
      initializers,
      inputs: [{ name: 'x', dtype: 'float32', dims: sides }],
      outputs: [{ name: last, dtype: 'float32', dims }],
      metadata: {},
    }),
  );
  const data = numbers(1, sizeOf(sides));
  const { [last]: result } = await session.run({ x: new ort.Tensor('float32', data, sides) });
  await session.release();
  const wanted = transpose(data, sides, perm);
  const got = result!.data as Float32Array;
  const isRight = got.length === wanted.length && got.every((value, index) => value === wanted[index]);
  return { ops: nodes.map(({ op }) => op).filter((op) => op !== 'Reshape'), isRight };
}

const b = block ?? 16;
const CASES: { what: string; sides: number[]; perm: number[]; ops: string[] }[] = [
  { what: 'rows', sides: [4, 3, 20, 11, 4 * b], perm: [1, 0, 2, 3, 4], ops: ['Gather'] },
  {
    what: 'tiles',
    sides: [4, b, 3, 10, 11, b],
    perm: [2, 0, 3, 4, 1, 5],
    ops: ['ReorderInput', 'Gather', 'ReorderInput'],
  },
  {
    what: 'tiles of one block',
    sides: [4, b, 1, 30, 11, b],
    perm: [2, 0, 3, 4, 1, 5],
    ops: ['ReorderInput', 'ReorderInput'],
  },
  {
    what: 'images as channels',
    sides: [4, b, 3, 10, 11, b],
    perm: [2, 5, 0, 3, 4, 1],
    ops: ['ReorderInput', 'Gather'],
  },
  { what: 'into blocks', sides: [8, 3, b, 20, 21], perm: [0, 1, 3, 4, 2], ops: ['ReorderInput'] },
  { what: 'out of blocks', sides: [8, 3, 20, 21, b], perm: [0, 1, 4, 2, 3], ops: ['ReorderOutput'] },
  { what: 'anything else', sides: [50, 40, 50], perm: [2, 1, 0], ops: ['Transpose'] },
  { what: 'small tensors', sides: [2, 3, 16], perm: [1, 0, 2], ops: ['Transpose'] },
];

for (const { what, sides, perm, ops } of CASES)
  it.skipIf(block === null)(`a movement of ${what} does what a transposition does`, async () => {
    expect(await moved(sides, perm)).toEqual({ ops, isRight: true });
  });
