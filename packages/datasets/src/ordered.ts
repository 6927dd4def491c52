/** Work on several things at once, with the results in the order of the things. */

/** Applies `work` to each of `inputs`, at most `width` at once. Ends, or fails, when nothing is under way any more. */
export async function* mapOrdered<I, O>(
  inputs: AsyncIterable<I>,
  width: number,
  work: (input: I) => Promise<O>,
): AsyncGenerator<O> {
  const underway: Promise<O>[] = [];
  try {
    for await (const input of inputs) {
      const working = work(input);
      // One that fails before its turn has come is not unhandled: it is thrown when it is due, or settled below.
      working.catch(() => undefined);
      underway.push(working);
      if (underway.length >= width) yield await underway.shift()!;
    }
    while (underway.length > 0) yield await underway.shift()!;
  } finally {
    await Promise.allSettled(underway);
  }
}
