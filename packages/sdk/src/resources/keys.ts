/** API keys of your tenant: make, rotate, revoke; and who you are. */
import {
  ApiKey,
  type ApiKeyCreate,
  type ApiKeyRotate,
  NewApiKey,
  type Page,
  pageOf,
  Self,
} from '@rela/contracts';
import type { z } from 'zod';
import { allItems, type PageOptions } from '../pages.js';
import type { RequestOptions, Transport } from '../transport.js';

const KeyPage = pageOf(ApiKey);

export class KeysApi {
  constructor(private readonly transport: Transport) {}

  /** Your tenant, its limits, and what your own key allows. */
  self(options: RequestOptions = {}): Promise<Self> {
    return this.transport.json(Self, { ...options, path: 'v1/tenant' });
  }

  /** The secret is in this answer and nowhere else. Sent once: a try that failed is not repeated, since it may have made a key. */
  create(input: ApiKeyCreate, options: RequestOptions = {}): Promise<NewApiKey> {
    return this.transport.json(NewApiKey, {
      ...{ ...options, method: 'POST', path: 'v1/keys', json: input, retry: false },
    });
  }

  list({ signal, ...query }: PageOptions = {}): Promise<Page<ApiKey>> {
    return this.transport.json(KeyPage, { path: 'v1/keys', query, ...(signal ? { signal } : {}) });
  }

  all(options: PageOptions = {}): AsyncGenerator<ApiKey, void, undefined> {
    return allItems((cursor) => this.list({ ...options, ...(cursor ? { cursor } : {}) }), options.cursor);
  }

  /** A new secret; the old one is accepted for `graceSeconds` more. */
  rotate(
    id: string,
    input: z.input<typeof ApiKeyRotate> = {},
    options: RequestOptions = {},
  ): Promise<NewApiKey> {
    const path = `v1/keys/${encodeURIComponent(id)}/rotate`;
    return this.transport.json(NewApiKey, { ...options, method: 'POST', path, json: input, retry: false });
  }

  /** It is refused from now on. */
  revoke(id: string, options: RequestOptions = {}): Promise<ApiKey> {
    const path = `v1/keys/${encodeURIComponent(id)}`;
    return this.transport.json(ApiKey, { ...options, method: 'DELETE', path });
  }
}
