/** Sends requests: addresses, idempotency keys, retries, and bodies parsed with the contracts' schemas. */
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { backoffDelay, sleep } from './backoff.js';
import type { ClientOptions } from './client.js';
import { RelaApiError, RelaConnectionError, readProblem } from './errors.js';

export interface RequestOptions {
  signal?: AbortSignal;
  /** Of a POST; one is made up where it is absent, so that a retry is never a second request. */
  idempotencyKey?: string;
}

interface Call extends RequestOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  /** A list is given once for each of its items. */
  query?: Record<string, string | number | readonly string[] | undefined>;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  json?: unknown;
  /** Bytes to send; called again for every try. */
  body?: () => RequestInit['body'];
  /** Whether a failed try may be repeated. Default true. */
  retry?: boolean;
}

const DEFAULT_ATTEMPTS = 6;
const SECOND = 1000;
/** A service that asks for more patience than this is not waited for. */
const LONGEST_RETRY_AFTER = 30;

function isTransient(error: unknown): boolean {
  if (error instanceof RelaConnectionError) return true;
  return (
    error instanceof RelaApiError &&
    (error.status === 503 || error.status === 429 || error.code === 'idempotency-in-progress')
  );
}

export class Transport {
  readonly #base: URL;
  readonly #fetch: typeof fetch;
  readonly #attempts: number;

  constructor(options: ClientOptions) {
    this.#base = new URL(options.baseUrl.endsWith('/') ? options.baseUrl : `${options.baseUrl}/`);
    this.#fetch = options.fetch ?? fetch;
    this.#attempts = options.attempts ?? DEFAULT_ATTEMPTS;
  }

  /** The JSON of a successful answer, parsed. */
  async json<S extends z.ZodType>(schema: S, call: Call): Promise<z.output<S>> {
    return this.#retrying(call, async (attempt) => {
      const response = await this.#once(call, attempt);
      return schema.parse(await connected(response.url, () => response.json()));
    });
  }

  /** A successful answer with its body unread. */
  async open(call: Call): Promise<Response> {
    return this.#retrying(call, (attempt) => this.#once(call, attempt));
  }

  async #retrying<T>(call: Call, once: (call: { key: string }) => Promise<T>): Promise<T> {
    const key = call.idempotencyKey ?? randomUUID();
    for (let failures = 1; ; failures++) {
      try {
        return await once({ key });
      } catch (error) {
        if (!isTransient(error) || failures >= this.#attempts || call.retry === false) throw error;
        const asked = error instanceof RelaApiError ? (error.retryAfterSeconds ?? 0) : 0;
        if (asked > LONGEST_RETRY_AFTER) throw error;
        await sleep(Math.max(backoffDelay(failures), asked * SECOND), call.signal);
      }
    }
  }

  async #once(call: Call, { key }: { key: string }): Promise<Response> {
    const url = new URL(call.path.replace(/^\//, ''), this.#base);
    for (const [name, value] of Object.entries(call.query ?? {}))
      for (const one of Array.isArray(value) ? value : [value])
        if (one !== undefined) url.searchParams.append(name, String(one));
    const method = call.method ?? 'GET';
    const headers: Record<string, string> = { accept: 'application/json', ...call.headers };
    if (method === 'POST') headers['idempotency-key'] = key;
    if (call.json !== undefined) headers['content-type'] = 'application/json';
    const body = call.json !== undefined ? JSON.stringify(call.json) : call.body?.();
    const response = await connected(url.href, () =>
      this.#fetch(url, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        ...(body instanceof ReadableStream ? { duplex: 'half' as const } : {}),
        ...(call.signal ? { signal: call.signal } : {}),
      }),
    );
    if (response.ok || response.status === 304) return response;
    throw await readProblem(response);
  }
}

/** Runs a step that talks to the network; what fails in it, other than by the caller's abort, is a connection error. */
async function connected<T>(url: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
    throw new RelaConnectionError(`${url} did not answer (${reason}). Is the service running there?`, {
      cause: error,
    });
  }
}
