/**
 * Compiled steps on WebGPU against the processor. Skipped by name where no adapter answers; a software one will do, and is looked
 * for where there is no GPU.
 */
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-node';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { chooseEngine } from '../machine/choose-engine.js';
import { listEngines } from '../machine/list-engines.js';
import { speedHere } from '../machine/speed-here.js';
import type { HostTensors, StepFunction, TensorSpec } from '../tensors.js';
import { tensorOf, worstOf } from '../testing/compare.js';
import { takeSoftwareAdapter } from '../testing/software-adapter.js';
import { tf } from '../tf.js';
import { createEngine } from './create.js';

const lacking = takeSoftwareAdapter();
const engines = await listEngines();
const found = (name: 'webgpu' | 'cuda') => engines.find(({ on }) => on === name)!;
const webgpu = found('webgpu');

/** Forward, gradients, momentum, a counter, a flag, frozen weights, max pooling (whose gradient the processor computes). */
const step: StepFunction = ({ w, v, m, frozen, count, flag }, { x, rate }) => {
  const loss = (filter: unknown, matrix: unknown) => {
    const maps = tf.relu(tf.mul(tf.conv2d(x as Tensor4D, filter as Tensor4D, 1, 'same'), frozen!));
    const pooled = tf.mean(tf.maxPool(maps as Tensor4D, 2, 2, 'valid'), [1, 2]);
    return tf.mean(tf.square(tf.matMul(pooled as never, matrix as never)));
  };
  const { value, grads } = tf.valueAndGrads(loss as never)([w!, v!]);
  const next = tf.add(tf.mul(m!, 0.9), grads[0]!);
  return {
    state: {
      w: tf.sub(w!, tf.mul(next, rate!)),
      v: tf.sub(v!, tf.mul(grads[1]!, rate!)),
      m: next,
      count: tf.add(count!, tf.scalar(1, 'int32')),
      flag: tf.logicalNot(flag!),
    },
    metrics: { loss: value, count: count! },
  };
};
const state: HostTensors = {
  w: tensorOf(1, [3, 3, 4, 8]),
  v: tensorOf(2, [8, 3]),
  m: { shape: [3, 3, 4, 8], dtype: 'float32', data: new Float32Array(9 * 32) },
  frozen: tensorOf(3, [8]),
  count: { shape: [], dtype: 'int32', data: new Int32Array(1) },
  flag: { shape: [2], dtype: 'bool', data: Uint8Array.of(1, 0) },
};
const specs = {
  x: { shape: [2, 8, 8, 4], dtype: 'float32' },
  rate: { shape: [], dtype: 'float32' },
} satisfies Record<string, TensorSpec>;
const batch = (at: number): HostTensors => ({
  x: tensorOf(10 + at, specs.x.shape),
  rate: { ...specs.rate, data: Float32Array.of(0.5) },
});

describe.skipIf(!webgpu.usable)(`on a WebGPU adapter${webgpu.usable ? '' : ` (${lacking})`}`, () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  afterAll(() => warn.mockRestore());
  const open = async (engine: 'compiled' | 'webgpu', unroll = 1) =>
    (await createEngine({ engine, threads: 1 })).compile(step, state, specs, { unroll });

  it('ten steps give the state and the metrics of the processor within 1e-3, and go on from a state that is loaded', async () => {
    const [device, host] = [await open('webgpu'), await open('compiled')];
    for (let at = 0; at < 10; at++) {
      const [ours, theirs] = [await device.run(batch(at)), await host.run(batch(at))];
      expect(worstOf(ours, theirs).difference).toBeLessThan(1e-3);
      if (at === 4) device.load(await device.state());
    }
    const after = await device.state();
    expect(worstOf(after, await host.state()).difference).toBeLessThan(1e-3);
    expect(after.count!.data[0]).toBe(10);
    expect(after.flag).toEqual(state.flag);
    expect(after.frozen).toEqual(state.frozen);
    await device.dispose();
  });

  it('the state stays on the device from run to run, also what the step never changes', async () => {
    const device = await open('webgpu');
    await device.run(batch(0));
    const { prototype } = ort.InferenceSession as unknown as { prototype: ort.InferenceSession };
    const original = prototype.run;
    /** Where the inputs of every run are when it begins; afterwards the step lets go of them. */
    const locations: Record<string, string>[] = [];
    const run = vi.spyOn(prototype, 'run').mockImplementation(function (this: ort.InferenceSession, feeds) {
      const inputs = Object.entries(feeds as Record<string, ort.Tensor>);
      locations.push(Object.fromEntries(inputs.map(([name, { location }]) => [name, location])));
      return Reflect.apply(original, this, [feeds]);
    });
    try {
      await device.run(batch(1));
      expect(locations).toHaveLength(1);
      expect(locations[0]).toEqual({
        ...Object.fromEntries(Object.keys(state).map((name) => [`state:${name}`, 'gpu-buffer'])),
        'batch:x': 'cpu',
        'batch:rate': 'cpu',
      });
    } finally {
      run.mockRestore();
      await device.dispose();
    }
  });

  it('what the processor has to do in its place is a warning with the ops and their lines', async () => {
    const engine = await createEngine({ engine: 'webgpu' });
    warn.mockClear();
    const device = await engine.compile(step, state, specs);
    expect(warn.mock.calls).toEqual([
      [
        expect.stringMatching(/MaxPool \(.*device\.test\.ts:\d+.*copied/s),
        { type: 'SlowEngine', code: 'ENGINE_OFF_DEVICE' },
      ],
    ]);
    await device.dispose();
  });

  it('a depthwise convolution with two filters a channel has the right gradients', async () => {
    const gradients: StepFunction = (_, { x, w }) => {
      const loss = (...[image, filter]: unknown[]) =>
        tf.sum(tf.square(tf.depthwiseConv2d(image as Tensor4D, filter as Tensor4D, 2, 'same')));
      const { grads } = tf.valueAndGrads(loss as never)([x!, w!]);
      return { state: {}, metrics: { dx: grads[0]!, dw: grads[1]! } };
    };
    const given = { x: tensorOf(1, [2, 8, 8, 4]), w: tensorOf(2, [3, 3, 4, 2]) };
    const results = [];
    for (const name of ['webgpu', 'compiled'] as const) {
      const engine = await createEngine({ engine: name, threads: 1 });
      results.push(await (await engine.compile(gradients, {}, given)).run(given));
    }
    expect(worstOf(results[0]!, results[1]!).difference).toBeLessThan(1e-3);
  });

  it('several steps in one call give the metrics and the state of single ones, bit for bit', async () => {
    const [several, single] = [await open('webgpu', 2), await open('webgpu')];
    const [first, second] = [batch(0), batch(1)];
    const { loss } = await several.run({
      x: {
        shape: [2, ...specs.x.shape],
        dtype: 'float32',
        data: Float32Array.from([...first.x!.data, ...second.x!.data]),
      },
      rate: { shape: [2], dtype: 'float32', data: Float32Array.of(0.5, 0.5) },
    });
    const losses = [await single.run(first), await single.run(second)].map(
      (metrics) => metrics.loss!.data[0]!,
    );
    expect([...loss!.data]).toEqual(losses);
    expect(await several.state()).toEqual(await single.state());
  });

  it('a device that multiplies rightly is compared with the processor in time', async () => {
    expect(await speedHere('webgpu', 64)).toEqual({ is: 'answer', value: expect.any(Number) });
  });

  it.skipIf(!/software/.test(webgpu.about))(
    'a software adapter is listed as one that is slow, auto does not take it, and who asks for it is warned',
    async () => {
      expect(webgpu).toMatchObject({ auto: false, about: expect.stringMatching(/SwiftShader|lavapipe/) });
      expect(webgpu.about).toMatch(/slower than "compiled"/);
      expect(await chooseEngine('auto')).not.toBe('webgpu');
      warn.mockClear();
      expect(await chooseEngine('webgpu')).toBe('webgpu');
      expect(warn.mock.calls).toEqual([
        [
          expect.stringMatching(/only a software adapter/),
          { type: 'SlowEngine', code: 'ENGINE_SLOW_DEVICE' },
        ],
      ]);
    },
  );
});

describe.skipIf(found('cuda').usable)('without CUDA', () => {
  it('the engine is refused in one line that says what is missing and what brings it', async () => {
    const refused = createEngine({ engine: 'cuda' });
    await expect(refused).rejects.toMatchObject({ code: 'engine-unavailable' });
    await expect(refused).rejects.toThrow(
      /^The engine "cuda" cannot be used: [^\n]*onnxruntime-node-install=cuda12[^\n]*"compiled"[^\n]*$/,
    );
  });
});

it('a name that no engine has is refused with those that there are', async () => {
  const refused = createEngine({ engine: 'tpu' as never });
  await expect(refused).rejects.toMatchObject({ code: 'bad-option' });
  await expect(refused).rejects.toThrow(/one of auto, compiled, webgpu, cuda, eager, not "tpu"/);
});
