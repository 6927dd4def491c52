/** A machine without the blocked convolutions: the probe's session is refused, as it is there. */
import * as ort from 'onnxruntime-node';
import { expect, it, vi } from 'vitest';
import { tensorOf, worstOf } from '../testing/compare.js';
import { tf } from '../tf.js';
import { createEngine } from './create.js';
import type { Engine } from './engine.js';

const batch = { x: tensorOf(1, [2, 8, 8, 16]) };
const state = { w: tensorOf(2, [3, 3, 16, 16]) };

async function convolved(engine: Engine) {
  const step = await engine.compile(
    ({ w }, { x }) => ({ state: {}, metrics: { y: tf.conv2d(x as never, w as never, 1, 'same') } }),
    state,
    batch,
  );
  return { metrics: await step.run(batch), plan: step.plan };
}

it('a machine without blocked convolutions is told what that costs, once, and computes the same', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const create = vi
    .spyOn(ort.InferenceSession, 'create')
    .mockRejectedValueOnce(new Error('no such op\nat …'));
  try {
    const plain = await convolved(await createEngine({ engine: 'compiled', threads: 1 }));
    await createEngine({ engine: 'compiled', threads: 1 });
    expect(warn.mock.calls).toEqual([
      [
        expect.stringMatching(/blocked convolutions.*\(no such op\).*more than twice the time/),
        { type: 'SlowEngine', code: 'ENGINE_PLAIN_CONVOLUTIONS' },
      ],
    ]);
    expect(plain.plan).toEqual({ '2×8×8 16→16': 'plain' });
    const eager = await convolved(await createEngine({ engine: 'eager', backend: 'cpu' }));
    expect(worstOf(plain.metrics, eager.metrics).difference).toBeLessThan(1e-5);
  } finally {
    create.mockRestore();
    warn.mockRestore();
  }
});

it('whoever asks for plain convolutions gets them, without a warning', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  try {
    const asked = await convolved(await createEngine({ engine: 'compiled', threads: 1, blocked: false }));
    expect(asked.plan).toEqual({ '2×8×8 16→16': 'plain' });
    const eager = await convolved(await createEngine({ engine: 'eager', backend: 'cpu' }));
    expect(worstOf(asked.metrics, eager.metrics).difference).toBeLessThan(1e-5);
    expect(warn).not.toHaveBeenCalled();
  } finally {
    warn.mockRestore();
  }
});
