import { expect, it } from 'vitest';
import { DatabaseUnavailable } from './errors.js';
import { together } from './together.js';

const turns = (count: number) =>
  Array.from({ length: count }).reduce<Promise<void>>(
    (before) => before.then(() => new Promise((resolve) => setImmediate(resolve))),
    Promise.resolve(),
  );

it('does at once what was asked for while the piece of work before was under way', async () => {
  const pieces: number[][] = [];
  let release: () => void = () => undefined;
  const call = together(
    async (items: number[]) => {
      pieces.push(items);
      if (pieces.length === 1) await new Promise<void>((resolve) => (release = resolve));
      return items.map((item) => 10 * item);
    },
    { most: 3 },
  );
  const first = call(1);
  await turns(2);
  const others = [2, 3, 4, 5].map(call);
  release();
  expect(await Promise.all([first, ...others])).toEqual([10, 20, 30, 40, 50]);
  expect(pieces).toEqual([[1], [2, 3, 4], [5]]);
  expect(await call(6)).toBe(60);
});

it('gives the fault of one to that one alone', async () => {
  const call = together(
    async (items: number[]) => {
      if (items.includes(2)) throw new Error('two');
      return items;
    },
    { most: 10 },
  );
  const answers = await Promise.allSettled([1, 2, 3].map(call));
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

it('asks a database that is away once, not once a call', async () => {
  let asked = 0;
  const call = together(
    async () => {
      asked += 1;
      throw new DatabaseUnavailable(null);
    },
    { most: 10 },
  );
  const answers = await Promise.allSettled([1, 2, 3].map(call));
  expect(answers.every(({ status }) => status === 'rejected')).toBe(true);
  expect(asked).toBe(1);
});

it('lets an answer that comes late keep nobody waiting', async () => {
  let late: (answer: string) => void = () => undefined;
  const call = together(
    async (items: string[]) =>
      items.map((item) =>
        item === 'late' ? new Promise<string>((resolve) => (late = resolve)) : Promise.resolve(item),
      ),
    { most: 10 },
  );
  const slow = call('late');
  expect(await call('soon')).toBe('soon');
  late('at last');
  expect(await slow).toBe('at last');
});
