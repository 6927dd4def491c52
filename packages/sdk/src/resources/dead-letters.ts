/** Dead letters: stages that were given up after as many tries as they may have. */
import { DeadLetter, type Page, pageOf } from '@rela/contracts';
import { allItems, type PageOptions } from '../pages.js';
import type { Transport } from '../transport.js';

const DeadLetterPage = pageOf(DeadLetter);

export class DeadLettersApi {
  constructor(private readonly transport: Transport) {}

  list({ signal, ...query }: PageOptions = {}): Promise<Page<DeadLetter>> {
    return this.transport.json(DeadLetterPage, {
      path: 'v1/dead-letters',
      query,
      ...(signal ? { signal } : {}),
    });
  }

  all(options: PageOptions = {}): AsyncGenerator<DeadLetter, void, undefined> {
    return allItems((cursor) => this.list({ ...options, ...(cursor ? { cursor } : {}) }), options.cursor);
  }
}
