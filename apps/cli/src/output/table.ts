/** Aligned tables for a terminal. */

export interface Column<T> {
  title: string;
  value: (item: T) => string | number | null;
  /** Figures stand to the right. */
  align?: 'left' | 'right';
}

/** A header line and one line an item; null and empty cells become a dash. */
export function formatTable<T>(columns: readonly Column<T>[], items: readonly T[]): string {
  const cells = items.map((item) => columns.map(({ value }) => String(value(item) ?? '–') || '–'));
  const lines = [columns.map(({ title }) => title), ...cells];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, at) =>
          columns[at]?.align === 'right' ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `name   value` lines, for one thing with many properties. */
export function formatProperties(properties: Record<string, string | number | null>): string {
  const width = Math.max(...Object.keys(properties).map((name) => name.length));
  return Object.entries(properties)
    .map(([name, value]) => `${name.padEnd(width)}  ${value ?? '–'}`)
    .join('\n');
}
