/** Schedules: jobs that are made again at the times of a cron expression. */
import {
  Firing,
  type FiringOutcome,
  type Labels,
  type Page,
  pageOf,
  Schedule,
  type ScheduleCreate,
  type ScheduleUpdate,
} from '@rela/contracts';
import type { z } from 'zod';
import { allItems, type PageOptions } from '../pages.js';
import type { RequestOptions, Transport } from '../transport.js';

export type ScheduleInput = z.input<typeof ScheduleCreate>;
export type ScheduleChanges = z.input<typeof ScheduleUpdate>;

export interface ScheduleListOptions extends PageOptions {
  /** All of these. */
  labels?: Labels;
}

export interface FiringListOptions extends PageOptions {
  outcome?: FiringOutcome;
}

const SchedulePage = pageOf(Schedule);
const FiringPage = pageOf(Firing);

/** `reference` is an id or a name. */
const pathOf = (reference: string) => `v1/schedules/${encodeURIComponent(reference)}`;

export class SchedulesApi {
  constructor(private readonly transport: Transport) {}

  /** The job is checked as if it were submitted; it is submitted at each time. */
  create(input: ScheduleInput, options: RequestOptions = {}): Promise<Schedule> {
    return this.transport.json(Schedule, { ...options, method: 'POST', path: 'v1/schedules', json: input });
  }

  get(reference: string, options: RequestOptions = {}): Promise<Schedule> {
    return this.transport.json(Schedule, { ...options, path: pathOf(reference) });
  }

  /** One page, each with its next time alone. */
  list({ signal, labels = {}, ...query }: ScheduleListOptions = {}): Promise<Page<Schedule>> {
    const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    return this.transport.json(SchedulePage, {
      path: 'v1/schedules',
      query: { ...query, label },
      ...(signal ? { signal } : {}),
    });
  }

  all(options: ScheduleListOptions = {}): AsyncGenerator<Schedule, void, undefined> {
    return allItems((cursor) => this.list({ ...options, ...(cursor ? { cursor } : {}) }), options.cursor);
  }

  /** What is given takes the place of what was. Another timetable counts from now. */
  update(reference: string, changes: ScheduleChanges, options: RequestOptions = {}): Promise<Schedule> {
    return this.transport.json(Schedule, {
      ...options,
      method: 'PATCH',
      path: pathOf(reference),
      json: changes,
    });
  }

  /** It makes no more jobs until it is resumed, and does not make up for them then. */
  pause(reference: string, options: RequestOptions = {}): Promise<Schedule> {
    return this.update(reference, { paused: true }, options);
  }

  resume(reference: string, options: RequestOptions = {}): Promise<Schedule> {
    return this.update(reference, { paused: false }, options);
  }

  /** Forgets the schedule and its firings; its jobs stay. */
  async delete(reference: string, options: RequestOptions = {}): Promise<void> {
    await this.transport.open({ ...options, method: 'DELETE', path: pathOf(reference) });
  }

  /** Makes a job of it now. */
  trigger(reference: string, options: RequestOptions = {}): Promise<Firing> {
    return this.transport.json(Firing, { ...options, method: 'POST', path: `${pathOf(reference)}/trigger` });
  }

  /** What became of its times, newest first. */
  firings(reference: string, { signal, ...query }: FiringListOptions = {}): Promise<Page<Firing>> {
    return this.transport.json(FiringPage, {
      path: `${pathOf(reference)}/firings`,
      query,
      ...(signal ? { signal } : {}),
    });
  }

  allFirings(reference: string, options: FiringListOptions = {}): AsyncGenerator<Firing, void, undefined> {
    return allItems(
      (cursor) => this.firings(reference, { ...options, ...(cursor ? { cursor } : {}) }),
      options.cursor,
    );
  }
}
