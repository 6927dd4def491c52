/** For tests: the same step on the compiled engine and on TF.js's own CPU backend. */
import { createEngine } from '../running/create.js';
import type { HostTensor, HostTensors, StepFunction, TensorSpec } from '../tensors.js';
import { sizeOf } from '../tensors.js';

/** Seeded numbers in [low, high) (mulberry32). */
export function numbers(seed: number, count: number, low = -1, high = 1): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return low + (((t ^ (t >>> 14)) >>> 0) / 4294967296) * (high - low);
  });
}

export function tensorOf(seed: number, shape: number[], low?: number, high?: number): HostTensor {
  return { shape, dtype: 'float32', data: numbers(seed, sizeOf(shape), low, high) };
}

/** Largest |a − b| over the largest |b|, so that cancellation in single elements does not count. */
export function relativeDifference(a: HostTensor, b: HostTensor): number {
  let scale = 1e-6;
  let worst = 0;
  for (let i = 0; i < b.data.length; i++) {
    scale = Math.max(scale, Math.abs(b.data[i]!));
    const difference = Math.abs(a.data[i]! - b.data[i]!);
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
  }
  return worst / scale;
}

/** Runs `steps` steps over the batches on both engines. */
export async function onBothEngines(
  step: StepFunction,
  state: HostTensors,
  batches: HostTensors[],
  options: { blocked?: boolean } = {},
): Promise<{ compiled: Outcome; eager: Outcome }> {
  const specs: Record<string, TensorSpec> = Object.fromEntries(
    Object.entries(batches[0] ?? {}).map(([name, { shape, dtype }]) => [name, { shape, dtype }]),
  );
  const run = async (engine: 'compiled' | 'eager'): Promise<Outcome> => {
    const made = await createEngine({ engine, backend: 'cpu', threads: 1, ...options });
    const ready = await made.compile(step, state, specs);
    let metrics: HostTensors = {};
    for (const batch of batches) metrics = await ready.run(batch);
    const after = await ready.state();
    await ready.dispose();
    return { metrics, state: after };
  };
  return { compiled: await run('compiled'), eager: await run('eager') };
}

export interface Outcome {
  metrics: HostTensors;
  state: HostTensors;
}

/** The key that differs most between two sets of tensors, and by how much. */
export function worstOf(a: HostTensors, b: HostTensors): { key: string; difference: number } {
  return Object.keys(b)
    .map((key) => ({ key, difference: relativeDifference(a[key]!, b[key]!) }))
    .reduce((worst, next) => (next.difference > worst.difference ? next : worst), { key: '', difference: 0 });
}
