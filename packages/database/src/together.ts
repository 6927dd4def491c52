/**
 * Calls that are made while an earlier one is under way are done together by one piece of work, which costs a transaction, a commit and the
 * round trips of its statements once. A call on its own waits for nobody.
 */
import { isUnavailable } from './errors.js';

interface Call<Item, Answer> {
  item: Item;
  resolve: (answer: Answer | Promise<Answer>) => void;
  reject: (error: unknown) => void;
}

/** The next turn of the event loop: what one message from a socket has caused is asked for by then. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * @param work gives an answer an item, in their order; one that is not there yet keeps nobody else waiting. Where it fails for several, each is tried alone, so that none bears another's fault;
 * it is called again with the same items then
 * @param options.most items at once
 * @param options.side pieces of work that may be under way side by side; 1 where absent
 */
export function together<Item, Answer>(
  work: (items: Item[]) => Promise<(Answer | Promise<Answer>)[]>,
  { most, side = 1 }: { most: number; side?: number },
): (item: Item) => Promise<Answer> {
  const waiting: Call<Item, Answer>[] = [];
  let busy = 0;

  async function answer(calls: Call<Item, Answer>[]): Promise<void> {
    try {
      const answers = await work(calls.map(({ item }) => item));
      for (const [index, { resolve }] of calls.entries()) resolve(answers[index]!);
    } catch (error) {
      // A database that is away is away for each of them.
      if (calls.length === 1 || isUnavailable(error)) for (const { reject } of calls) reject(error);
      else for (const call of calls) await answer([call]);
    }
  }

  async function goOn(): Promise<void> {
    busy += 1;
    await turn();
    while (waiting.length > 0) await answer(waiting.splice(0, most));
    busy -= 1;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (busy < side) void goOn();
    });
}
