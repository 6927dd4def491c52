/** Order, width and errors of work that goes on at once. */
import { expect, it } from 'vitest';
import { mapOrdered } from './ordered.js';

async function* upTo(count: number) {
  for (let index = 0; index < count; index++) yield index;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

it('results come in the order of the inputs, whatever is done first', async () => {
  const open: (() => void)[] = [];
  let most = 0;
  const results = mapOrdered(upTo(9), 3, async (index) => {
    await new Promise<void>((resolve) => {
      open.push(resolve);
      most = Math.max(most, open.length);
      if (open.length === 3 || index === 8) for (const done of open.splice(0).reverse()) done();
    });
    return index;
  });
  expect(await collect(results)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(most).toBe(3);
});

it('an error comes at its turn, after the results before it, however early it happened', async () => {
  const seen: number[] = [];
  const running = (async () => {
    const results = mapOrdered(upTo(4), 4, async (index) => {
      if (index > 0) throw new Error(`broken ${index}`);
      await new Promise(setImmediate); // the others have failed by then
      return index;
    });
    for await (const result of results) seen.push(result);
  })();
  await expect(running).rejects.toThrow('broken 1');
  expect(seen).toEqual([0]);
});
