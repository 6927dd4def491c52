/** Runs: one training each, its result and its metrics. */
import { type Page, pageOf, Run, RunMetric } from '@rela/contracts';
import { allItems } from '../pages.js';
import type { RequestOptions, Transport } from '../transport.js';

const MetricPage = pageOf(RunMetric);

export interface MetricOptions {
  /** Only steps after this one. */
  after?: number;
  /** Metrics a page, at most 1000. */
  limit?: number;
  signal?: AbortSignal;
}

export class RunsApi {
  constructor(private readonly transport: Transport) {}

  get(id: string, options: RequestOptions = {}): Promise<Run> {
    return this.transport.json(Run, { ...options, path: `v1/runs/${encodeURIComponent(id)}` });
  }

  /** One page of metrics by rising step; `next` is the `after` of the next page. */
  metrics(id: string, { signal, ...query }: MetricOptions = {}): Promise<Page<RunMetric>> {
    return this.transport.json(MetricPage, {
      path: `v1/runs/${encodeURIComponent(id)}/metrics`,
      query,
      ...(signal ? { signal } : {}),
    });
  }

  allMetrics(id: string, options: MetricOptions = {}): AsyncGenerator<RunMetric, void, undefined> {
    return allItems((next) => this.metrics(id, { ...options, ...(next ? { after: Number(next) } : {}) }));
  }
}
