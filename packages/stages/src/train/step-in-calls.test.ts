import type { HostTensors, Step } from '@rela/engine';
import { expect, it } from 'vitest';
import { STEPS_A_CALL, StepInCalls } from './step-in-calls.js';

const scalar = (...data: number[]) =>
  ({
    shape: data.length === 1 ? [] : [data.length],
    dtype: 'float32',
    data: Float32Array.from(data),
  }) as const;

/** A step that adds its batch to its state and tells the sum, and notes when it is given a state. */
function adding(loads: number[]) {
  return async (state: HostTensors, unroll: number): Promise<Step> => {
    let sum = state.sum!.data[0]!;
    return {
      flops: unroll,
      plan: {},
      async run({ x }) {
        return { loss: scalar(...Array.from(x!.data, (value) => (sum += value))) };
      },
      state: async () => ({ sum: scalar(sum) }),
      load(given) {
        sum = given.sum!.data[0]!;
        loads.push(unroll);
      },
      dispose: async () => undefined,
    };
  };
}

const open = (options: { copiesState: boolean; longestCallSeconds?: number }, loads: number[] = []) =>
  StepInCalls.open(adding(loads), { sum: scalar(0) }, options);
const batches = (...values: number[]) => values.map((value) => ({ x: scalar(value) }));
const losses = (metrics: HostTensors[]) => metrics.map(({ loss }) => [loss!.shape, loss!.data[0]]);

it('makes one step a call where the state stays where it is', async () => {
  expect((await open({ copiesState: false })).stepsOf(100)).toBe(1);
});

it('makes several where the state is copied, but only as many as are certain', async () => {
  const step = await open({ copiesState: true });
  expect([1, STEPS_A_CALL - 1, STEPS_A_CALL, 100].map((certain) => step.stepsOf(certain))).toEqual([
    ...[1, 1, STEPS_A_CALL, STEPS_A_CALL],
  ]);
  expect(step.flops).toBe(1);
});

it('gives the metrics of every step, and hands the state over where calls of the other kind follow', async () => {
  const loads: number[] = [];
  const step = await open({ copiesState: true }, loads);
  expect(losses(await step.run(batches(1)))).toEqual([[[], 1]]);
  expect(losses(await step.run(batches(1, 2, 3, 4)))).toEqual([2, 4, 7, 11].map((sum) => [[], sum]));
  await step.run(batches(1, 1, 1, 1));
  expect((await step.state()).sum!.data[0]).toBe(15);
  expect(losses(await step.run(batches(5)))).toEqual([[[], 20]]);
  await step.run(batches(1));
  expect(loads).toEqual([STEPS_A_CALL, 1]);
});

it('goes back to single steps where a call takes longer than a cancelled run may', async () => {
  const step = await open({ copiesState: true, longestCallSeconds: 0 });
  await step.run(batches(1, 2, 3, 4));
  expect(step.stepsOf(100)).toBe(1);
  expect(losses(await step.run(batches(1)))).toEqual([[[], 11]]);
});
