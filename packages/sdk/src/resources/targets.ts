/** Targets: which ones jobs have made. Their bytes are artifacts. */
import { type Page, pageOf, Targets } from '@rela/contracts';
import { allItems, type PageOptions } from '../pages.js';
import type { Transport } from '../transport.js';

export interface TargetsListOptions extends PageOptions {
  /** Only those of this job. */
  job?: string;
  /** Only those that this run trains with. */
  run?: string;
  /** Only those with this digest. */
  digest?: string;
}

const TargetsPage = pageOf(Targets);

export class TargetsApi {
  constructor(private readonly transport: Transport) {}

  list({ signal, ...query }: TargetsListOptions = {}): Promise<Page<Targets>> {
    return this.transport.json(TargetsPage, {
      path: 'v1/targets',
      query: { ...query },
      ...(signal ? { signal } : {}),
    });
  }

  all(options: TargetsListOptions = {}): AsyncGenerator<Targets, void, undefined> {
    return allItems((cursor) => this.list({ ...options, ...(cursor ? { cursor } : {}) }), options.cursor);
  }
}
