import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { OnnxModel } from '../onnx/model.js';
import { runInPlace, SIGNAL } from './in-place.js';
import { openSession } from './session.js';

const node = (op: string, inputs: string[], outputs: string[]) => ({
  ...{ op, domain: '' as const, inputs, outputs, attributes: {}, line: 'a test' },
});
const port = (name: string) => ({ name, dtype: 'float32' as const, dims: [3] });
const model: OnnxModel = {
  name: 'twice',
  nodes: [node('SequenceEmpty', [], [SIGNAL]), node('Add', ['x', 'y'], ['sum'])],
  initializers: new Map(),
  inputs: [port('x'), port('y')],
  outputs: [port('sum')],
  metadata: {},
  signal: SIGNAL,
};
const tensor = (...values: number[]) => new ort.Tensor('float32', Float32Array.from(values), [values.length]);

let session: ort.InferenceSession;
beforeAll(async () => {
  session = await openSession(model, { finished: false });
});
afterAll(() => session.release());

it('writes the outputs into the tensors that are given, also where one is an input', async () => {
  const [x, y, sum] = [tensor(1, 2, 3), tensor(10, 20, 30), tensor(0, 0, 0)];
  await runInPlace(session, { x, y }, { sum });
  expect([...(sum.data as Float32Array)]).toEqual([11, 22, 33]);
  await runInPlace(session, { x, y: sum }, { sum });
  expect([...(sum.data as Float32Array)]).toEqual([12, 24, 36]);
});

it('still throws what goes wrong in the run itself', async () => {
  const sum = tensor(0, 0, 0);
  await expect(runInPlace(session, { x: tensor(1, 2, 3), y: tensor(1, 2) }, { sum })).rejects.toThrow(/y/);
});

it('is needed as long as the binding copies outputs that were preallocated', async () => {
  const sum = tensor(0, 0, 0);
  const results = await session.run({ x: tensor(1, 2, 3), y: tensor(1, 1, 1) }, { sum });
  // Where this fails, the binding hands over the tensor that was given, and the detour can go.
  expect((results.sum!.data as Float32Array).buffer).not.toBe((sum.data as Float32Array).buffer);
});
