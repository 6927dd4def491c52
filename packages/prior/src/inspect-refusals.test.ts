import { ProblemError } from '@rela/contracts';
import { describe, expect, it } from 'vitest';
import { type InspectOptions, inspectPrior } from './inspect.js';
import { buildModel, type ModelSpec } from './testing/model-builder.js';
import { smallNet } from './testing/models.js';
import { oddOutputs, trainingMode, twoTowers } from './testing/models-by-exporters.js';

async function refusal(bytes: Uint8Array | ModelSpec, options: InspectOptions = {}): Promise<ProblemError> {
  const model = bytes instanceof Uint8Array ? bytes : buildModel(bytes);
  const error = await inspectPrior(model, options).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProblemError)) throw new Error(`Expected a ProblemError, got ${String(error)}`);
  expect(error.code).toBe('invalid-model');
  return error;
}

const fields = ({ errors = [] }: ProblemError) => errors.map(({ field }) => field);

describe('a file that is not ONNX', () => {
  it.each([
    ['\x89PNG\r\n\x1a\n', 'PNG'],
    ['PK\x03\x04archive/data.pkl', 'torch.save'],
    ['\x89HDF\r\n', 'HDF5'],
    ['\x80\x02\x8a\n', 'pickle'],
    ['', 'empty'],
    ['version https://git-lfs.github.com/spec/v1', 'Git LFS'],
    ['<!DOCTYPE html>', 'HTML'],
  ])('is named by what it is: %j', async (content, name) => {
    expect((await refusal(Buffer.from(content, 'latin1'))).detail).toContain(name);
  });

  it('says that it was cut short', async () => {
    const model = buildModel(smallNet());
    expect((await refusal(model.subarray(0, model.length - 40))).detail).toContain('cut short');
  });

  it('says that there is no graph', async () => {
    expect((await refusal(Uint8Array.from([8, 8, 18, 1, 65]))).detail).toContain('no graph');
  });
});

describe('a model that ONNX Runtime cannot run', () => {
  it('names the operator set', async () => {
    const { detail } = await refusal(smallNet({ opset: 999 }));
    expect(detail).toContain('operator set 999');
    expect(detail).toContain('ONNX Runtime 1.');
  });

  it('says that its weights are in another file', async () => {
    const net = smallNet();
    const tensors = net.tensors?.map((tensor, index) =>
      index === 0 ? { ...tensor, external: 'weights.bin' } : tensor,
    );
    const { detail } = await refusal({ ...net, tensors: tensors ?? [] });
    expect(detail).toContain('"kernel" is external data');
    expect(detail).toContain('Embed them');
  });
});

describe('an input that is not an image batch', () => {
  const flat = (shape: (number | string)[], type: 'float32' | 'int64' = 'float32'): ModelSpec => ({
    inputs: [{ name: 'x', shape, type }],
    outputs: [{ name: 'y' }],
    nodes: [{ op: 'Cast', inputs: ['x'], outputs: ['y'], attributes: { to: 1 } }],
  });

  it('is named with its type and shape', async () => {
    expect((await refusal(flat(['N', 128], 'int64'))).detail).toContain('int64 [N, 128]');
    expect((await refusal(flat(['N', 784]))).detail).toContain('four dimensions');
    expect((await refusal(flat(['N', 4, 8, 8]))).detail).toContain(
      'neither its second nor its last dimension',
    );
  });

  it('is asked for alone where the output needs several', async () => {
    const { detail } = await refusal(twoTowers(), { output: 'similarity' });
    expect(detail).toContain('"images" (float32 [N, 3, 12, 12]), "input_ids" (int64 [N, 7])');
  });
});

describe('an output', () => {
  it('has to be named where there are several, which are listed with their shapes', async () => {
    const error = await refusal(twoTowers());
    expect(error.detail).toContain('"features" (float32 [N, 6]), "text" (float32 [N, 7])');
    expect(fields(error)).toEqual(['output']);
  });

  it('that does not exist is answered by the nearest one and a list', async () => {
    const error = await refusal(smallNet(), { output: 'featurs' });
    expect(error.detail).toContain('did you mean "features"?');
    expect(error.detail).toContain('Outputs: "logits" (float32 [N, 4])');
    expect(error.detail).toContain('"convolved", "map", "pooled", "features"');
    expect(fields(error)).toEqual(['output']);
  });

  it('that depends on no image is refused', async () => {
    for (const output of ['fixed', 'images', 'kernel'])
      expect((await refusal(oddOutputs(), { output })).detail).toContain(
        'does not come out of any computation',
      );
  });

  it('that is equal for all images is refused', async () => {
    expect((await refusal(oddOutputs(), { output: 'zero' })).detail).toContain('carries nothing');
  });

  it('without a batch dimension is refused with its shape', async () => {
    expect((await refusal(oddOutputs(), { output: 'total' })).detail).toContain('is [] for 2 images');
  });

  it('that is no float is refused', async () => {
    expect((await refusal(oddOutputs(), { output: 'class' })).detail).toContain('is int64');
  });

  it('that is not finite is refused', async () => {
    expect((await refusal(oddOutputs(), { output: 'infinite' })).detail).toMatch(/has (-?Infinity|NaN)/);
  });

  it('that couples the images of a batch is refused', async () => {
    expect((await refusal(trainingMode())).detail).toContain('evaluation mode');
  });
});

describe('preprocessing', () => {
  it('is asked for by name where it cannot be read', async () => {
    const error = await refusal(smallNet({ height: 'H', width: 'W' }));
    expect(fields(error)).toEqual(['preprocessing.height', 'preprocessing.width']);
    expect(error.errors?.[0]?.message).toContain('give the size in pixels');
  });

  it('is asked for by layout where the shape allows both', async () => {
    const net = smallNet();
    const error = await refusal({ ...net, inputs: [{ name: 'images', shape: ['N', 3, 12, 3] }] });
    expect(fields(error)).toEqual(['preprocessing.layout']);
    const dynamic = await refusal({ ...net, inputs: [{ name: 'images', shape: ['N', 'a', 'b', 'c'] }] });
    expect(fields(dynamic)).toEqual(
      ['layout', 'channels', 'height', 'width'].map((name) => `preprocessing.${name}`),
    );
  });

  it('that contradicts the model is refused by field', async () => {
    expect(
      fields(await refusal(smallNet(), { preprocessing: { height: 13, channels: 1, mean: [0.5] } })),
    ).toEqual(['preprocessing.channels', 'preprocessing.height', 'preprocessing.mean']);
    expect(fields(await refusal(smallNet(), { preprocessing: { dtype: 'uint8' } }))).toEqual([
      'preprocessing.dtype',
    ]);
    const bytes = smallNet({ type: 'uint8' });
    expect(fields(await refusal(bytes, { preprocessing: { mean: [1, 1, 1] } }))).toEqual([
      'preprocessing.mean',
    ]);
  });

  it('that the metadata spoil is refused by field', async () => {
    const error = await refusal(smallNet({ metadata: { 'rela.mean': '[0.5, "x", 1]' } }));
    expect(fields(error)).toEqual(['preprocessing.mean']);
  });
});
