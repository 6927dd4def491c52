/** Models that mean harm end their own process, not the service: the user is told, and the next model is inspected. */
import type { ProblemError } from '@rela/contracts';
import type { Limits } from '@rela/process';
import { inspectModel } from '@rela/stages';
import { expect, it } from 'vitest';
import { buildGraph, buildModel, type ModelSpec } from '../../packages/prior/src/testing/model-builder.js';
import { smallNet } from '../../packages/prior/src/testing/models.js';

const IMAGES = { name: 'images', shape: ['N', 3, 12, 12] };
const integer = (name: string, dims: number[], ...values: bigint[]) => ({
  ...{ name, dims, data: BigInt64Array.from(values) },
});

/** Adds 1 to the mean of every channel, 2⁶² times. */
function endlessLoop(): ModelSpec {
  const body = buildGraph({
    inputs: [
      { name: 'turn', type: 'int64', shape: [] },
      { name: 'goes on', type: 'bool', shape: [] },
      { name: 'before', shape: ['N', 3] },
    ],
    outputs: [
      { name: 'goes on again', type: 'bool', shape: [] },
      { name: 'after', shape: ['N', 3] },
    ],
    nodes: [
      { op: 'Identity', inputs: ['goes on'], outputs: ['goes on again'] },
      { op: 'Add', inputs: ['before', 'one'], outputs: ['after'] },
    ],
    tensors: [{ name: 'one', dims: [], data: Float32Array.of(1) }],
  });
  return {
    inputs: [IMAGES],
    outputs: [{ name: 'features', shape: ['N', 3] }],
    nodes: [
      {
        ...{ op: 'ReduceMean', inputs: ['images'], outputs: ['means'] },
        attributes: { axes: [2, 3], keepdims: 0 },
      },
      {
        op: 'Loop',
        inputs: ['turns', '', 'means'],
        outputs: ['features'],
        attributes: { body: { graph: body } },
      },
    ],
    tensors: [integer('turns', [], 2n ** 62n)],
  };
}

/** Copies every image to three gigabytes in all. */
function memoryBomb(): ModelSpec {
  return {
    inputs: [IMAGES],
    outputs: [{ name: 'features', shape: ['N', 3] }],
    nodes: [
      { op: 'Tile', inputs: ['images', 'copies'], outputs: ['huge'] },
      {
        ...{ op: 'ReduceMean', inputs: ['huge'], outputs: ['features'] },
        attributes: { axes: [2, 3], keepdims: 0 },
      },
    ],
    tensors: [integer('copies', [4], 1n, 1n, 900n, 900n)],
  };
}

const refusal = (spec: ModelSpec, limits: Partial<Limits>): Promise<ProblemError> =>
  inspectModel(buildModel(spec), {}, limits).then(
    () => expect.unreachable('it was taken'),
    (error: ProblemError) => error,
  );

it('a model with a loop without end is ended after its time', async () => {
  expect(await refusal(endlessLoop(), { milliseconds: 5_000 })).toMatchObject({
    code: 'invalid-model',
    detail: expect.stringContaining('trial batch of the model took longer than 5 seconds'),
  });
});

it('a model that wants more memory than it may have is refused, however it takes it', async () => {
  expect(await refusal(memoryBomb(), { memoryBytes: 2 ** 30 })).toMatchObject({
    code: 'invalid-model',
    detail: expect.stringMatching(/memory/),
  });
});

it('a model of very many nodes is refused by their number', async () => {
  const net = smallNet();
  const copies = Array.from({ length: 200_000 }, (_, index) => ({
    ...{ op: 'Identity', inputs: ['images'], outputs: [`copy ${index}`] },
  }));
  expect(await refusal({ ...net, nodes: [...copies, ...net.nodes] }, {})).toMatchObject({
    code: 'invalid-model',
    detail: expect.stringContaining('at most 200000 are read'),
  });
});

it('the next model is inspected as if nothing had been', async () => {
  const inspected = await inspectModel(buildModel(smallNet()), { output: 'features' });
  expect(inspected).toMatchObject({ input: 'images', output: 'features', width: 6, batch: null });
});
