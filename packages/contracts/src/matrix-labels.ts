/** How a combination of a matrix reads in the name of its run: `seed=1 prior=teacher ratio=0.5`. */

/** Shorter in names than as a field. */
const SHORT: Record<string, string> = { dataRatio: 'ratio' };

/** Null where a value has no short word for itself. */
function wordOf(value: unknown): string | null {
  if (value === null) return 'none';
  if (value === undefined || Array.isArray(value)) return null;
  if (typeof value === 'object') {
    const named = 'name' in value ? value.name : 'kind' in value ? value.kind : null;
    return typeof named === 'string' ? wordOf(named) : null;
  }
  // A digest is told by less than all of it; what a name cannot have becomes a dash.
  return String(value)
    .replace(/^sha256:([0-9a-f]{12})[0-9a-f]{52}$/, '$1')
    .replace(/[^\w.:@/+-]/g, '-');
}

/** One word a value, no two alike. */
export function wordsOf(values: readonly unknown[]): string[] {
  const words = values.map(wordOf);
  return words.map((word, index) => {
    if (word === null) return String(index + 1);
    return words.filter((other) => other === word).length === 1 ? word : `${word}-${index + 1}`;
  });
}

/** The name of a thing stands for the thing: `optimizer=lars`. */
const lastPart = (axis: string): string =>
  SHORT[axis] ??
  axis
    .replace(/\.(name|kind)$/, '')
    .split('.')
    .at(-1) ??
  axis;

/** The last part of an axis, or all of it where another ends alike. */
export function titleOf(axis: string, axes: readonly string[]): string {
  const title = lastPart(axis);
  return axes.some((other) => other !== axis && lastPart(other) === title) ? axis : title;
}
