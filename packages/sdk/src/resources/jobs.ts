/** Jobs: submit, look up, pause, cancel, send again, follow to the end. */
import {
  BatchAnswer,
  Job,
  type JobCreate,
  type JobRetry,
  JobStage,
  type JobStatus,
  type Labels,
  type Page,
  pageOf,
} from '@rela/contracts';
import type { z } from 'zod';
import { type FollowOptions, followJob, type JobUpdate } from '../follow.js';
import { linesOf } from '../lines.js';
import { allItems, type PageOptions } from '../pages.js';
import type { RequestOptions, Transport } from '../transport.js';

export type JobInput = z.input<typeof JobCreate>;

export interface JobListOptions extends PageOptions {
  status?: JobStatus;
  /** The start of their name. */
  name?: string;
  /** All of these. */
  labels?: Labels;
  /** Id of the schedule that made them. */
  schedule?: string;
}

const JobPage = pageOf(Job);
const StagePage = pageOf(JobStage);

export class JobsApi {
  constructor(private readonly transport: Transport) {}

  create(input: JobInput, options: RequestOptions = {}): Promise<Job> {
    return this.transport.json(Job, { ...options, method: 'POST', path: 'v1/jobs', json: input });
  }

  /**
   * Submits up to 10,000 jobs in one request. Each is accepted or refused on its own; answers come in the order of `inputs`, `line` counts
   * them from 1. Where the connection breaks, the same call with the same `idempotencyKey` makes no job twice.
   */
  async *createMany(
    inputs: readonly JobInput[],
    options: RequestOptions = {},
  ): AsyncGenerator<BatchAnswer, void, undefined> {
    const response = await this.transport.open({
      ...options,
      method: 'POST',
      path: 'v1/jobs/batch',
      headers: { 'content-type': 'application/x-ndjson', accept: 'application/x-ndjson' },
      body: () => inputs.map((input) => `${JSON.stringify(input)}\n`).join(''),
    });
    yield* linesOf(response, BatchAnswer);
  }

  get(id: string, options: RequestOptions = {}): Promise<Job> {
    return this.transport.json(Job, { ...options, path: `v1/jobs/${encodeURIComponent(id)}` });
  }

  list({ signal, labels = {}, ...query }: JobListOptions = {}): Promise<Page<Job>> {
    const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    return this.transport.json(JobPage, {
      path: 'v1/jobs',
      query: { ...query, label },
      ...(signal ? { signal } : {}),
    });
  }

  all(options: JobListOptions = {}): AsyncGenerator<Job, void, undefined> {
    return allItems((cursor) => this.list({ ...options, ...(cursor ? { cursor } : {}) }), options.cursor);
  }

  /** Stops what runs and drops what waits. The job says `cancelled` when nothing of it runs any more. */
  cancel(id: string, options: RequestOptions = {}): Promise<Job> {
    return this.#tell(id, 'cancel', options);
  }

  /** Starts nothing more of it; what runs keeps a checkpoint and stops. */
  pause(id: string, options: RequestOptions = {}): Promise<Job> {
    return this.#tell(id, 'pause', options);
  }

  resume(id: string, options: RequestOptions = {}): Promise<Job> {
    return this.#tell(id, 'resume', options);
  }

  /** Sends again what failed or was cancelled; with `from`, that stage (or kind of stage) and all that builds on it, from the start. */
  retry(id: string, request: JobRetry = {}, options: RequestOptions = {}): Promise<Job> {
    return this.#tell(id, 'retry', { ...options, json: request });
  }

  /** One page of its stages, in the order of the plan. */
  stages(id: string, { signal, ...query }: PageOptions = {}): Promise<Page<JobStage>> {
    return this.transport.json(StagePage, {
      path: `v1/jobs/${encodeURIComponent(id)}/stages`,
      query,
      ...(signal ? { signal } : {}),
    });
  }

  #tell(id: string, what: string, options: RequestOptions & { json?: unknown }): Promise<Job> {
    return this.transport.json(Job, {
      ...options,
      method: 'POST',
      path: `v1/jobs/${encodeURIComponent(id)}/${what}`,
    });
  }

  /**
   * Everything that happens to the job, from its first event (or the one after `lastEventId`) to its last.
   * Connects again by itself where the connection is lost: no event is missing, none comes twice.
   */
  follow(id: string, options: FollowOptions = {}): AsyncGenerator<JobUpdate, void, undefined> {
    return followJob(this.transport, id, options);
  }

  /** Resolves when the job has ended, however it ended. */
  async wait(
    id: string,
    options: FollowOptions & { onUpdate?: (update: JobUpdate) => void } = {},
  ): Promise<Job> {
    for await (const update of this.follow(id, options)) options.onUpdate?.(update);
    return this.get(id, options.signal ? { signal: options.signal } : {});
  }
}
