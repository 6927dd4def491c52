import { expect, it } from 'vitest';
import type { OnnxModel, OnnxNode } from './model.js';
import { tidy } from './tidy.js';

const node = (op: string, inputs: string[], outputs: string[], more: Partial<OnnxNode> = {}): OnnxNode => ({
  ...{ op, domain: '', inputs, outputs, attributes: {}, line: 'a test' },
  ...more,
});
const sides = (...values: number[]) => ({
  dtype: 'int64' as const,
  dims: [values.length],
  data: BigInt64Array.from(values, BigInt),
});
const initializers = new Map([
  ['flat', sides(12)],
  ['square', sides(3, 4)],
  ['any', sides(-1, 4)],
]);

/** A model from x [3, 4] to y. */
const modelOf = (nodes: OnnxNode[], outputs = ['y']): OnnxModel => ({
  ...{ name: 'test', nodes, initializers, metadata: {} },
  inputs: [{ name: 'x', dtype: 'float32', dims: [3, 4] }],
  outputs: outputs.map((name) => ({ name, dtype: 'float32', dims: [3, 4] })),
});
const lines = ({ nodes }: OnnxModel) =>
  nodes.map(({ op, inputs, outputs }) => `${outputs} = ${op} ${inputs.join(' ')}`);
const whole = { outputsAsMade: false };

it('makes a view of a view one of the first tensor, and drops one that changes nothing', () => {
  const model = modelOf([
    node('Reshape', ['x', 'flat'], ['a']),
    node('Reshape', ['a', 'square'], ['b']),
    node('Exp', ['b'], ['c']),
    node('Identity', ['c'], ['y']),
  ]);
  expect(lines(tidy(model, whole))).toEqual(['y = Exp x']);
});

it('leaves a view alone whose sides follow from the data', () => {
  const model = modelOf([
    node('Reshape', ['x', 'flat'], ['a']),
    node('Reshape', ['a', 'any'], ['b']),
    node('Identity', ['b'], ['y']),
  ]);
  expect(lines(tidy(model, whole))).toEqual(['a = Reshape x flat', 'y = Reshape a any']);
});

it('computes once what stands there twice, and drops what nobody reads', () => {
  const model = modelOf([
    node('Exp', ['x'], ['a']),
    node('Exp', ['x'], ['b']),
    node('Neg', ['x'], ['unread']),
    node('Add', ['a', 'b'], ['c']),
    node('Identity', ['c'], ['y']),
  ]);
  expect(lines(tidy(model, whole))).toEqual(['a = Exp x', 'y = Add a a']);
});

it('computes twice what is to be made again', () => {
  const model = modelOf([
    node('Exp', ['x'], ['a']),
    node('Exp', ['x'], ['b'], { again: true }),
    node('Add', ['a', 'b'], ['c']),
    node('Identity', ['c'], ['y']),
  ]);
  expect(lines(tidy(model, whole))).toEqual(['a = Exp x', 'b = Exp x', 'y = Add a b']);
});

it('tells nodes apart by their attributes and by how many results they give', () => {
  const model = modelOf(
    [
      node('MaxPool', ['x'], ['a']),
      node('MaxPool', ['x'], ['b', 'indices']),
      node('MaxPool', ['x'], ['c'], { attributes: { ceil_mode: { type: 'int', value: 1 } } }),
      node('Sum', ['a', 'b', 'c', 'indices'], ['y']),
    ],
    ['y'],
  );
  expect(lines(tidy(model, whole))).toHaveLength(4);
});

it('writes an output where it is made, also where others read it', () => {
  const model = modelOf(
    [
      node('Exp', ['x'], ['a']),
      node('Neg', ['a'], ['b']),
      node('Identity', ['a'], ['y']),
      node('Identity', ['b'], ['z']),
    ],
    ['y', 'z'],
  );
  expect(lines(tidy(model, whole))).toEqual(['y = Exp x', 'z = Neg y']);
});

it('copies into an output what is an input, or another output already', () => {
  const model = modelOf(
    [
      node('Identity', ['x'], ['y']),
      node('Exp', ['x'], ['a']),
      node('Identity', ['a'], ['z']),
      node('Identity', ['a'], ['w']),
    ],
    ['y', 'z', 'w'],
  );
  expect(lines(tidy(model, whole))).toEqual(['y = Identity x', 'z = Exp x', 'w = Identity z']);
});

it('gives an output the sides in which it is made, where that is allowed, and its view to those who read it', () => {
  const model = () =>
    modelOf(
      [
        node('Conv', ['x'], ['a'], { dims: [1, 12] }),
        node('Reshape', ['a', 'square'], ['b']),
        node('Neg', ['b'], ['c']),
        node('Identity', ['b'], ['y']),
        node('Identity', ['c'], ['z']),
      ],
      ['y', 'z'],
    );
  const made = tidy(model(), { outputsAsMade: true });
  expect(lines(made)).toEqual(['y = Conv x', 'b = Reshape y square', 'z = Neg b']);
  expect(made.outputs[0]!.dims).toEqual([1, 12]);
  const declared = tidy(model(), whole);
  expect(lines(declared)).toEqual(['a = Conv x', 'y = Reshape a square', 'z = Neg y']);
  expect(declared.outputs[0]!.dims).toEqual([3, 4]);
});
