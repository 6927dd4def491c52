/** Walks a list from its first page to its last. */
import type { Page } from '@rela/contracts';

export interface PageOptions {
  /** Items a page, 1 to 200. */
  limit?: number;
  /** `next` of the page before. */
  cursor?: string;
  signal?: AbortSignal;
}

/** Every item of every page, one after the other; the next page is asked for when it is needed. */
export async function* allItems<T>(
  read: (cursor: string | undefined) => Promise<Page<T>>,
  from?: string,
): AsyncGenerator<T, void, undefined> {
  let cursor = from;
  do {
    const page = await read(cursor);
    yield* page.items;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}
