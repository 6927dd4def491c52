import { existsSync, readFileSync } from 'node:fs';
import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { inspectPrior } from './inspect.js';
import { buildModel, type ModelSpec } from './testing/model-builder.js';
import { CLASSES, FEATURES, smallNet } from './testing/models.js';
import {
  branching,
  mapChannelsLast,
  otherPrecision,
  residualNet,
  secretlyBatchOne,
  tokenNet,
  twoTowers,
} from './testing/models-by-exporters.js';

const inspect = (spec: ModelSpec, options: Parameters<typeof inspectPrior>[1] = {}) =>
  inspectPrior(buildModel(spec), options);

const IMAGENET_GREY = { mean: (0.485 + 0.456 + 0.406) / 3, std: (0.229 + 0.224 + 0.225) / 3 };

describe('a model with one output', () => {
  it('is taken as it came, with the statistics of ImageNet', async () => {
    expect(await inspect(smallNet())).toEqual({
      input: 'images',
      output: 'logits',
      pool: false,
      batch: null,
      width: CLASSES,
      preprocessing: {
        height: 12,
        width: 12,
        channels: 3,
        layout: 'nchw',
        dtype: 'float32',
        scale: 'unit',
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
      },
      model: null,
    });
  });

  it.each([17, 18, 19, 20, 21])('is taken at operator set %i', async (opset) => {
    expect(await inspect(smallNet({ opset }))).toMatchObject({ width: CLASSES });
  });

  it('may have a fixed batch', async () => {
    expect(await inspect(smallNet({ batch: 5 }))).toMatchObject({ batch: 5, width: CLASSES });
    expect(await inspect(smallNet({ batch: 1 }))).toMatchObject({ batch: 1 });
  });

  it('runs one by one where its dynamic batch is not one', async () => {
    expect(await inspect(secretlyBatchOne())).toMatchObject({ batch: 1, width: FEATURES });
  });

  it('may be channels-last, grey, or take bytes', async () => {
    const { preprocessing } = await inspect(smallNet({ layout: 'nhwc', channels: 1, height: 9, width: 11 }));
    expect(preprocessing).toMatchObject({ layout: 'nhwc', channels: 1, height: 9, width: 11 });
    expect(preprocessing.mean[0]).toBeCloseTo(IMAGENET_GREY.mean, 12);
    expect(preprocessing.std[0]).toBeCloseTo(IMAGENET_GREY.std, 12);
    const bytes = await inspect(smallNet({ type: 'uint8', layout: 'nhwc' }));
    expect(bytes.preprocessing).toMatchObject({
      dtype: 'uint8',
      scale: 'byte',
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
  });

  it.each(['float16', 'float64'] as const)(
    'is fed and read as float32 where it computes in %s',
    async (type) => {
      const prior = await inspect(otherPrecision(type));
      expect(prior).toMatchObject({ width: 48, preprocessing: { dtype: 'float32' } });
      const session = await InferenceSession.create(prior.model!);
      expect(session.inputMetadata[0]).toMatchObject({ name: prior.input, type: 'float32' });
      expect(session.outputMetadata[0]).toMatchObject({ name: prior.output, type: 'float32' });
      await session.release();
    },
  );
});

describe('an inner value as the output', () => {
  it('cuts the head off, and the rewritten model runs in ONNX Runtime with nothing else in it', async () => {
    const prior = await inspect(smallNet(), { output: 'features' });
    expect(prior).toMatchObject({ output: 'features', pool: false, width: FEATURES });
    const session = await InferenceSession.create(prior.model!);
    expect(session.outputNames).toEqual(['features']);
    await session.release();
    expect(Buffer.from(prior.model!).includes('headBias')).toBe(false);
    expect(Buffer.from(prior.model!).includes('kernel')).toBe(true);
  });

  it('may be named by its node', async () => {
    expect(await inspect(smallNet(), { output: 'flatten' })).toMatchObject({ output: 'features' });
    expect(await inspect(residualNet(), { output: '/Flatten' })).toMatchObject({
      output: '/Flatten_output_0',
      width: 8,
    });
  });

  it('is pooled where it is a feature map or a sequence of tokens', async () => {
    expect(await inspect(smallNet(), { output: 'map' })).toMatchObject({ pool: true, width: FEATURES });
    expect(await inspect(mapChannelsLast())).toMatchObject({ pool: true, width: FEATURES });
    expect(await inspect(tokenNet())).toMatchObject({ pool: true, width: FEATURES });
    expect(await inspect(residualNet(), { output: '/Add_output_0' })).toMatchObject({ pool: true, width: 8 });
  });

  it('drops inputs that it does not depend on', async () => {
    const prior = await inspect(twoTowers(), { output: 'features' });
    expect(prior).toMatchObject({ input: 'images', width: FEATURES });
    const session = await InferenceSession.create(prior.model!);
    expect(session.inputNames).toEqual(['images']);
    await session.release();
  });

  it('keeps what subgraphs of a branch read from outside', async () => {
    const prior = await inspect(branching(), { output: 'chosen' });
    expect(prior).toMatchObject({ width: FEATURES });
    expect(Buffer.from(prior.model!).includes('headBias')).toBe(false);
  });
});

describe('preprocessing', () => {
  it('comes from the metadata of our own exports where the shape does not say', async () => {
    const metadata = {
      'rela.height': '12',
      'rela.width': '10',
      'rela.channels': '1',
      'rela.layout': 'nchw',
      'rela.scale': 'unit',
      'rela.mean': '[0.13]',
      'rela.std': '[0.31]',
    };
    const prior = await inspect(smallNet({ channels: 1, height: 'H', width: 'W', metadata }));
    expect(prior.preprocessing).toEqual({
      height: 12,
      width: 10,
      channels: 1,
      layout: 'nchw',
      dtype: 'float32',
      scale: 'unit',
      mean: [0.13],
      std: [0.31],
    });
  });

  it('is overridden by what is given', async () => {
    const given = { mean: [1, 2, 3], std: [4, 5, 6], scale: 'byte' as const, height: 20, width: 24 };
    const { preprocessing } = await inspect(smallNet({ height: 'H', width: 'W' }), { preprocessing: given });
    expect(preprocessing).toMatchObject(given);
  });

  it('has the statistics of ImageNet in bytes where the scale is bytes', async () => {
    const { preprocessing } = await inspect(smallNet(), { preprocessing: { scale: 'byte' } });
    expect(preprocessing.mean[0]).toBeCloseTo(0.485 * 255, 9);
    expect(preprocessing.std[2]).toBeCloseTo(0.225 * 255, 9);
  });
});

it.skipIf(!existsSync('/proc/self/status'))('leaves no thread behind', async () => {
  const threads = () => Number(/Threads:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  await inspect(smallNet());
  const before = threads();
  for (let round = 0; round < 5; round++) await inspect(smallNet());
  expect(threads()).toBeLessThanOrEqual(before);
});
