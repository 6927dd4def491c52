/** Names of a step's inputs and outputs in its graph. */

export const STATE = 'state:';
export const NEXT = 'next:';
export const BATCH = 'batch:';
export const METRIC = 'metric:';

export function prefixed<T>(prefix: string, entries: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [prefix + name, value]));
}

/** The entries under a prefix, without it. */
export function pick<T>(prefix: string, entries: Record<string, T>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(entries)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}
