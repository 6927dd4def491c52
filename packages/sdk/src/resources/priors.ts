/** Priors: register an ONNX model whose embeddings become targets. */
import { type Page, Prior, type PriorCreate, pageOf } from '@rela/contracts';
import type { z } from 'zod';
import { allItems, type PageOptions } from '../pages.js';
import type { RequestOptions, Transport } from '../transport.js';

export type PriorInput = z.input<typeof PriorCreate>;

const PriorPage = pageOf(Prior);

export class PriorsApi {
  constructor(private readonly transport: Transport) {}

  /** The service opens the model and runs it once before it answers. */
  create(input: PriorInput, options: RequestOptions = {}): Promise<Prior> {
    return this.transport.json(Prior, { ...options, method: 'POST', path: 'v1/priors', json: input });
  }

  /** `reference` is an id, a name or a digest. */
  get(reference: string, options: RequestOptions = {}): Promise<Prior> {
    return this.transport.json(Prior, { ...options, path: `v1/priors/${encodeURIComponent(reference)}` });
  }

  list({ signal, ...query }: PageOptions = {}): Promise<Page<Prior>> {
    return this.transport.json(PriorPage, { path: 'v1/priors', query, ...(signal ? { signal } : {}) });
  }

  all(options: PageOptions = {}): AsyncGenerator<Prior, void, undefined> {
    return allItems((cursor) => this.list({ ...options, ...(cursor ? { cursor } : {}) }), options.cursor);
  }
}
