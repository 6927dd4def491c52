/** Lists by cursor: newest first, the cursor is the id of the last item, and ids sort by creation time. */
import { type IdPrefix, type Page, ProblemError } from '@rela/contracts';

export interface PageRequest {
  limit: number;
  cursor?: string | undefined;
}

export const foreignCursor = () =>
  new ProblemError('invalid-request', 'The cursor is not valid. Take `next` of the page before, unchanged.', [
    { field: 'cursor', message: 'is not one that this list has given' },
  ]);

/** @throws ProblemError `invalid-request` for a cursor of another list */
export function assertCursor(prefix: IdPrefix, cursor: string | undefined): void {
  if (cursor !== undefined && !new RegExp(`^${prefix}_[0-9a-f]{32}$`).test(cursor)) throw foreignCursor();
}

/** Prisma's arguments for one page and one row more. @throws as `assertCursor` */
export function pageArguments(prefix: IdPrefix, { limit, cursor }: PageRequest) {
  assertCursor(prefix, cursor);
  return {
    ...(cursor === undefined ? {} : { where: { id: { lt: cursor } } }),
    orderBy: { id: 'desc' as const },
    take: limit + 1,
  };
}

/** One page from the rows that `pageArguments` asked for. */
export function pageOf<Row extends { id: string }, Item>(
  rows: Row[],
  limit: number,
  item: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  return { items: shown.map(item), next: rows.length > limit ? (shown.at(-1)?.id ?? null) : null };
}
