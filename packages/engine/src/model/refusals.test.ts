/** What a TF.js model is refused for, and how the error names it. */
import { expect, it } from 'vitest';
import { filesOf, type WrittenModel, writeGraphModel, writeLayersModel } from '../testing/models.js';
import { tf } from '../tf.js';
import type { ModelFiles } from './artifacts.js';
import { loadModel } from './load.js';

const small = () =>
  writeLayersModel(
    tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [8, 8, 3], filters: 16, kernelSize: 3, name: 'conv' }),
        tf.layers.flatten({ name: 'flat' }),
      ],
    }),
  );

const refused = (written: WrittenModel) => expect(loadModel(filesOf(written))).rejects;
const json = (value: unknown): ModelFiles =>
  new Map([
    ['model.json', async () => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))],
  ]);

it('a folder without model.json, and one that is no JSON or of neither format', async () => {
  await expect(loadModel(new Map([['weights.bin', async () => new Uint8Array(4)]]))).rejects.toThrow(
    /model\.json is missing; there are weights\.bin/,
  );
  await expect(loadModel(json('<html>'))).rejects.toThrow(/is no JSON/);
  await expect(loadModel(json('[]'))).rejects.toThrow(/no JSON object/);
  await expect(loadModel(json({ format: 'onnx', modelTopology: {} }))).rejects.toThrow(
    /neither a LayersModel .* nor a GraphModel .* calls itself "onnx"/,
  );
});

it('a weight file that is missing is named, one that was cut short too, with the bytes', async () => {
  const missing = await small();
  missing.weights.delete('group1-shard2of2.bin');
  await refused(missing).toThrow(/1 is missing: group1-shard2of2\.bin/);
  const short = await small();
  const [name, bytes] = [...short.weights].at(-1)!;
  short.weights.set(name, bytes.subarray(0, -3));
  await refused(short).toThrow(new RegExp(`${name}: ${bytes.length - 3}.*3 are missing`));
});

it.each([
  '../secret',
  '/etc/passwd',
  'folder/weights.bin',
  '..\\weights.bin',
  'https://example.com/weights.bin',
  'file:weights.bin',
  '..',
  '',
])('a weight file called %j is refused, whatever files there are', async (path) => {
  const written = await small();
  written.json.weightsManifest = [{ paths: [path], weights: [] }];
  written.weights.set(path, new Uint8Array());
  await refused(written).toThrow(/plain names: no folders, no absolute paths, no addresses/);
});

it('a weight that is text, or of an impossible size, is named', async () => {
  const entry = async (weight: object) => {
    const written = await small();
    written.json.weightsManifest = [{ paths: [], weights: [weight] }];
    return written;
  };
  await refused(await entry({ name: 'words', shape: [2], dtype: 'string' })).toThrow(
    /"words".* is string \[2\]/,
  );
  await refused(await entry({ name: 'w', shape: [2 ** 40, 2 ** 40], dtype: 'float32' })).toThrow(/"w"/);
  await refused(await entry({ name: 'w', shape: [-1], dtype: 'float32' })).toThrow(/lacks a name or a shape/);
  await refused(await entry({ name: 'w', shape: [2 ** 40], dtype: 'float32' })).toThrow(
    /4398046511104 are missing/,
  );
});

it('a layer class that TF.js does not have is named', async () => {
  const written = await small();
  const text = JSON.stringify(written.json).replace('"class_name":"Flatten"', '"class_name":"PatchEncoder"');
  await refused({ ...written, json: JSON.parse(text) }).toThrow(/layer class "PatchEncoder"/);
});

it('a model that takes text or several inputs is refused with what it takes', async () => {
  const text = tf.sequential({
    layers: [tf.layers.embedding({ inputDim: 9, outputDim: 2, inputLength: 5 })],
  });
  await refused(await writeLayersModel(text)).toThrow(/\[\?, 5\]\) is no batch of images/);
  const [a, b] = [
    tf.input({ shape: [4, 4, 3], name: 'left' }),
    tf.input({ shape: [4, 4, 3], name: 'right' }),
  ];
  const both = tf.model({ inputs: [a, b], outputs: tf.layers.add().apply([a, b]) as never });
  await refused(await writeLayersModel(both)).toThrow(/2 inputs: "left" .*"right"/);
});

it('an output that there is not is answered with those that there are', async () => {
  const model = await loadModel(filesOf(await small()));
  expect(() => model.toOnnx({ output: 'pool' })).toThrow(/"pool"\. Outputs: "flat".*"conv"/);
});

it('control flow, custom ops and ops without a translation are named', async () => {
  const loop = writeGraphModel([{ name: 'loop', op: 'StatelessWhile', input: ['probabilities'] }]);
  await refused(loop).toThrow(/Node "loop" is the control flow op StatelessWhile/);
  const custom = await loadModel(filesOf(writeGraphModel([{ name: 'odd', op: 'MyOp', input: ['logits'] }])));
  expect(() => custom.toOnnx()).toThrow(/op MyOp, which TF\.js does not have/);
  const bins = { name: 'bins', op: 'Bincount', input: ['shape', 'features', 'shape'] };
  const untranslated = await loadModel(filesOf(writeGraphModel([bins])));
  expect(() => untranslated.toOnnx({ output: 'bins' })).toThrow(
    /uses the op Bincount, which has no translation to ONNX\. Name an output that comes before it/,
  );
  const wrong = await loadModel(
    filesOf(writeGraphModel([{ name: 'sum', op: 'Add', input: ['conv', 'logits'] }])),
  );
  expect(() => wrong.toOnnx({ output: 'sum' })).toThrow(/TF\.js cannot run this model\. It says: .*shape/i);
  const repeated = { name: 'repeated', op: 'Fill', input: ['argument', 'zero'] };
  const argument = { name: 'argument', op: 'ArgMax', input: ['logits', 'one'] };
  const dependent = await loadModel(filesOf(writeGraphModel([argument, repeated])));
  expect(() => dependent.toOnnx({ output: 'repeated' })).toThrow(/numbers that depend on the image/);
});
