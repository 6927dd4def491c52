/** Follows a job's event stream to its end, over as many connections as it takes. */
import { hasEnded, Job, JobEvent } from '@rela/contracts';
import type { EventSourceMessage } from 'eventsource-parser';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { backoffDelay, sleep } from './backoff.js';
import { RelaApiError, RelaConnectionError } from './errors.js';
import type { Transport } from './transport.js';

export interface FollowOptions {
  signal?: AbortSignal;
  /** Sequence of the last event that is known already. Default 0: from the first. */
  lastEventId?: number;
  /** Seconds for which the service may be away before this gives up. Default 60. */
  patienceSeconds?: number;
}

/** How far the job is; not an event: it has no place in the order and is not sent again. */
export interface JobProgress {
  type: 'progress';
  job: Job;
}
export type JobUpdate = JobEvent | JobProgress;

const SECOND = 1000;
const DEFAULT_PATIENCE = 60;

function parseUpdate(message: EventSourceMessage): JobUpdate {
  const data: unknown = JSON.parse(message.data);
  return message.event === 'progress' ? { type: 'progress', job: Job.parse(data) } : JobEvent.parse(data);
}

/** The messages of one connection. A stream that breaks off is a RelaConnectionError. */
async function* readMessages(response: Response): AsyncGenerator<EventSourceMessage, void, undefined> {
  if (!response.body) return;
  const messages = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  const reader = messages.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    throw new RelaConnectionError('The event stream broke off.', { cause: error });
  } finally {
    // Returning early must close the connection; on a stream that ended or failed this changes nothing.
    await reader.cancel().catch(() => undefined);
  }
}

/** Whether connecting again can help. */
function isTransient(error: unknown): boolean {
  return error instanceof RelaConnectionError || (error instanceof RelaApiError && error.status >= 500);
}

export async function* followJob(
  transport: Transport,
  id: string,
  options: FollowOptions,
): AsyncGenerator<JobUpdate, void, undefined> {
  const patience = (options.patienceSeconds ?? DEFAULT_PATIENCE) * SECOND;
  let last = options.lastEventId ?? 0;
  let failures = 0;
  let failingSince: number | null = null;
  let isOver = false;
  for (;;) {
    try {
      const response = await transport.open({
        path: `v1/jobs/${encodeURIComponent(id)}/events`,
        headers: { accept: 'text/event-stream', ...(last > 0 ? { 'last-event-id': String(last) } : {}) },
        retry: false,
        ...(options.signal ? { signal: options.signal } : {}),
      });
      // The job has ended and every event of it is known.
      if (response.status === 204) return;
      for await (const message of readMessages(response)) {
        failures = 0;
        failingSince = null;
        const update = parseUpdate(message);
        if (update.type !== 'progress') {
          if (update.sequence <= last) continue;
          last = update.sequence;
        }
        if (update.type === 'job') isOver = hasEnded(update.status);
        yield update;
        if (isOver) break;
      }
      // A job that has ended may have been sent again since: the answer to the next request says so, or 204.
      if (isOver) continue;
    } catch (error) {
      if (isOver && isTransient(error)) return;
      failingSince ??= Date.now();
      if (!isTransient(error) || Date.now() - failingSince > patience) throw error;
    }
    failures += 1;
    await sleep(backoffDelay(failures), options.signal);
  }
}
