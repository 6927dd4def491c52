/** Data sets: register one, look it up, wait until its images are read. */
import { Dataset, type DatasetCreate, type Page, ProblemError, pageOf } from '@rela/contracts';
import type { z } from 'zod';
import { sleep } from '../backoff.js';
import { allItems, type PageOptions } from '../pages.js';
import type { RequestOptions, Transport } from '../transport.js';

export type DatasetInput = z.input<typeof DatasetCreate>;

export interface WaitOptions {
  signal?: AbortSignal;
  /** Seconds between two looks. Default 0.5. */
  pollSeconds?: number;
  /** Told what every look found. */
  onLook?: (dataset: Dataset) => void;
}

const DatasetPage = pageOf(Dataset);

export class DatasetsApi {
  constructor(private readonly transport: Transport) {}

  create(input: DatasetInput, options: RequestOptions = {}): Promise<Dataset> {
    return this.transport.json(Dataset, { ...options, method: 'POST', path: 'v1/datasets', json: input });
  }

  /** `reference` is an id, a name or a digest. */
  get(reference: string, options: RequestOptions = {}): Promise<Dataset> {
    return this.transport.json(Dataset, { ...options, path: `v1/datasets/${encodeURIComponent(reference)}` });
  }

  list({ signal, ...query }: PageOptions = {}): Promise<Page<Dataset>> {
    return this.transport.json(DatasetPage, { path: 'v1/datasets', query, ...(signal ? { signal } : {}) });
  }

  all(options: PageOptions = {}): AsyncGenerator<Dataset, void, undefined> {
    return allItems((cursor) => this.list({ ...options, ...(cursor ? { cursor } : {}) }), options.cursor);
  }

  /** Reads the images of a data set again that has failed. */
  retry(id: string, options: RequestOptions = {}): Promise<Dataset> {
    return this.transport.json(Dataset, {
      ...options,
      method: 'POST',
      path: `v1/datasets/${encodeURIComponent(id)}/retry`,
    });
  }

  /** @throws ProblemError `invalid-data` with the data set's error where it failed. */
  async waitUntilReady(reference: string, options: WaitOptions = {}): Promise<Dataset> {
    for (;;) {
      const dataset = await this.get(reference, options.signal ? { signal: options.signal } : {});
      options.onLook?.(dataset);
      if (dataset.status === 'ready') return dataset;
      if (dataset.status === 'failed')
        throw new ProblemError(
          'invalid-data',
          `Dataset "${dataset.name}" failed: ${dataset.error ?? 'no reason given'}`,
        );
      await sleep((options.pollSeconds ?? 0.5) * 1000, options.signal);
    }
  }
}
