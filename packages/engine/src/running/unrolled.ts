/** Steps that make several steps in one call: their batches and metrics are stacked along a new first axis. */
import type { Graph } from '../graph/graph.js';
import { unroll } from '../graph/unroll.js';
import { allocate, type HostTensors, sizeOf, type TensorSpec } from '../tensors.js';
import type { Step } from './engine.js';
import { BATCH, NEXT, STATE } from './names.js';

/** The batch of `count` steps. */
export function stackedSpecs(batch: Record<string, TensorSpec>, count: number): Record<string, TensorSpec> {
  if (count === 1) return batch;
  return Object.fromEntries(
    Object.entries(batch).map(([name, { shape, dtype }]) => [name, { shape: [count, ...shape], dtype }]),
  );
}

/** The graph of `count` steps: the state goes through, batches come stacked, metrics of every step leave stacked. */
export function unrollStep(step: Graph, count: number): Graph {
  const names = [...step.inputs.keys()];
  return unroll(step, count, {
    carried: new Map(
      names
        .filter((name) => name.startsWith(STATE))
        .map((name) => [name, NEXT + name.slice(STATE.length)] as const),
    ),
    stacked: new Set(names.filter((name) => name.startsWith(BATCH))),
  });
}

/** `count` calls of a step as one, for an engine that has no calls to save. */
export function calledInTurn(step: Step, count: number): Step {
  if (count === 1) return step;
  return {
    flops: step.flops * count,
    plan: step.plan,
    state: () => step.state(),
    load: (state) => step.load(state),
    dispose: () => step.dispose(),
    async run(batch) {
      const results: HostTensors[] = [];
      for (let at = 0; at < count; at++) results.push(await step.run(partOf(batch, at)));
      return stack(results);
    },
  };
}

/** The batch or the metrics of one step out of those of several. */
export function partOf(batch: HostTensors, at: number): HostTensors {
  return Object.fromEntries(
    Object.entries(batch).map(
      ([
        name,
        {
          shape: [, ...shape],
          dtype,
          data,
        },
      ]) => {
        const size = sizeOf(shape);
        return [name, { shape, dtype, data: data.subarray(at * size, (at + 1) * size) }];
      },
    ),
  );
}

/** Batches or metrics of several steps as one: stacked along a new first axis. */
export function stack(results: readonly HostTensors[]): HostTensors {
  return Object.fromEntries(
    Object.entries(results[0] ?? {}).map(([name, { shape, dtype }]) => {
      const size = sizeOf(shape);
      const data = allocate(dtype, results.length * size);
      for (const [at, result] of results.entries()) data.set(result[name]!.data, at * size);
      return [name, { shape: [results.length, ...shape], dtype, data }];
    }),
  );
}
