/**
 * Who is waiting for news of which job. One LISTEN serves every client; a watcher is only told *that* there is
 * something, and reads it from the database at its own pace, so nothing is buffered for a slow client.
 */
import type { Job } from '@rela/contracts';
import type { Database } from '@rela/database';
import type { FastifyBaseLogger } from 'fastify';

/** A job's progress is looked up this often while anybody watches it, once for all who do. */
const PROGRESS_INTERVAL = 1000;

/** The last state of a job that was seen, shared by its watchers. */
interface Watched {
  watchers: Set<Watcher>;
  job: Job | null;
  /** The JSON of `job`, to see whether it changed. */
  text: string;
}

export class Watcher {
  #news = true;
  #wake: (() => void) | null = null;

  constructor(
    private readonly watched: Watched,
    private readonly leave: (watcher: Watcher) => void,
  ) {}

  /** The job as last seen; a new object each time that it changed. */
  get job(): Job | null {
    return this.watched.job;
  }

  tell(): void {
    this.#news = true;
    this.#wake?.();
  }

  /** True as soon as there is news since the last call, false after `milliseconds` or when the signal is aborted. */
  async news(milliseconds: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#news && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        // By the same way: a listener left behind at every heartbeat would add up while a job is silent.
        const timer = setTimeout(wake, milliseconds);
        this.#wake = wake;
        signal.addEventListener('abort', wake, { once: true });
      });
      this.#wake = null;
    }
    const news = this.#news && !signal.aborted;
    this.#news = false;
    return news;
  }

  close(): void {
    this.leave(this);
  }
}

export class JobWatchers {
  readonly #jobs = new Map<string, Watched>();
  readonly #ended = new AbortController();
  #listening: { close(): Promise<void> } | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looking = false;

  constructor(
    private readonly database: Pick<Database, 'events' | 'jobs'>,
    private readonly log: FastifyBaseLogger,
  ) {}

  /** Aborted when the server stops: event streams end then. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  async start(): Promise<void> {
    this.#listening = await this.database.events.listen((jobId) => this.#tell(jobId));
    this.#timer = setInterval(() => void this.#look(), PROGRESS_INTERVAL);
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    if (this.#timer) clearInterval(this.#timer);
    await this.#listening?.close();
  }

  watch(jobId: string): Watcher {
    const watched = this.#jobs.get(jobId) ?? { watchers: new Set(), job: null, text: '' };
    this.#jobs.set(jobId, watched);
    const watcher = new Watcher(watched, (leaving) => {
      watched.watchers.delete(leaving);
      if (watched.watchers.size === 0 && this.#jobs.get(jobId) === watched) this.#jobs.delete(jobId);
    });
    watched.watchers.add(watcher);
    return watcher;
  }

  /** Jobs that somebody watches. */
  get watched(): number {
    return this.#jobs.size;
  }

  /** null: any job may have news. */
  #tell(jobId: string | null): void {
    const told = jobId === null ? [...this.#jobs.values()] : [this.#jobs.get(jobId)];
    for (const watched of told) for (const watcher of watched?.watchers ?? []) watcher.tell();
  }

  /** Looks at every watched job; a look that takes longer than the interval is not overtaken by the next. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      // Asked for side by side, so that one query serves many.
      await Promise.all(
        [...this.#jobs].map(async ([jobId, watched]) => {
          const job = await this.database.jobs.get(jobId);
          const text = JSON.stringify(job);
          if (text === watched.text) return;
          watched.job = job;
          watched.text = text;
          this.#tell(jobId);
        }),
      );
    } catch (error) {
      // Progress is a courtesy: the next look comes in a second, and events do not depend on it.
      this.log.debug({ err: error }, 'progress could not be read');
    } finally {
      this.#looking = false;
    }
  }
}
