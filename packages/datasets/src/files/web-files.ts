/**
 * Image files from the web: with a time limit, a size limit, repeated where repeating may help, and not from the networks that only
 * this machine can see, unless that is allowed. Who writes a manifest must not get to read what lies behind the service.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertPublicHost, hostOf, lookupPublic, PrivateAddressError } from '@rela/addresses';
import { DecodeError } from '../image.js';

export interface WebOptions {
  /** Downloads at once. */
  concurrency: number;
  /** For one try, redirects included. */
  timeoutSeconds: number;
  /** Further tries after one that failed. */
  retries: number;
  /** Also addresses of private networks and of this machine. */
  allowPrivateAddresses: boolean;
  maxBytes?: number;
  /** Before the first repetition; doubles with each. */
  backoffMilliseconds?: number;
}

const MAX_REDIRECTS = 5;
const MAX_BYTES = 64 * 1024 ** 2;
const BACKOFF_MS = 500;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Request time-out, too early, too many requests: worth another try, as what says that the server has trouble. */
const REPEATED = new Set([408, 425, 429, 500, 502, 503, 504]);

/** node:http and not fetch, which takes no `lookup`: what a name leads to has to be judged by who connects. */
export class WebFiles {
  readonly #agents: { 'http:': http.Agent; 'https:': https.Agent };

  constructor(private readonly options: WebOptions) {
    const agent = {
      keepAlive: true,
      maxSockets: options.concurrency,
      ...(options.allowPrivateAddresses ? {} : { lookup: lookupPublic }),
    };
    this.#agents = { 'http:': new http.Agent(agent), 'https:': new https.Agent(agent) };
  }

  get concurrency(): number {
    return this.options.concurrency;
  }

  /** @throws DecodeError with the reason, the last one where it was tried again; the reason of `signal` */
  async get(address: string, signal?: AbortSignal): Promise<Uint8Array> {
    const { retries, timeoutSeconds, backoffMilliseconds = BACKOFF_MS } = this.options;
    for (let tries = 1; ; tries++) {
      const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
      try {
        return await this.#once(address, AbortSignal.any(signal ? [signal, timeout] : [timeout]));
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof DecodeError) throw error;
        if (error instanceof PrivateAddressError)
          throw new DecodeError(
            `${error.message}; set PRIVATE_ADDRESSES=true where manifests may name those`,
          );
        if (tries > retries) {
          const reason = timeout.aborted ? `no answer within ${timeoutSeconds} s` : reasonOf(error);
          throw new DecodeError(`${reason}, ${tries === 1 ? 'once' : `${tries} times`}`, { cause: error });
        }
        await sleep(backoffMilliseconds * 2 ** (tries - 1), undefined, signal ? { signal } : {});
      }
    }
  }

  async close(): Promise<void> {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #once(address: string, signal: AbortSignal): Promise<Uint8Array> {
    let url = parseAddress(address);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      if (!this.options.allowPrivateAddresses) assertPublicHost(hostOf(url));
      const response = await this.#request(url, signal);
      try {
        const { location } = response.headers;
        if (!REDIRECTS.has(response.statusCode ?? 0) || location === undefined)
          return await this.#body(response);
        url = parseAddress(new URL(location, url).href);
      } finally {
        // Of what is not read to its end, nothing more is to come.
        if (!response.complete) response.destroy();
        else response.resume();
      }
    }
    throw new DecodeError(`redirects more than ${MAX_REDIRECTS} times`);
  }

  #request(url: URL, signal: AbortSignal): Promise<http.IncomingMessage> {
    const { get } = url.protocol === 'https:' ? https : http;
    const agent = this.#agents[url.protocol === 'https:' ? 'https:' : 'http:'];
    return new Promise((resolve, reject) => {
      get(url, { agent, signal, headers: { 'accept-encoding': 'identity' } }, resolve).once('error', reject);
    });
  }

  async #body(response: http.IncomingMessage): Promise<Uint8Array> {
    const { maxBytes = MAX_BYTES } = this.options;
    const status = response.statusCode ?? 0;
    if (REPEATED.has(status)) throw new Error(`the server answers ${status}`);
    if (status < 200 || status > 299) throw new DecodeError(`the server answers ${status}`);
    const tooLarge = new DecodeError(`has more than the ${maxBytes} bytes that are read`);
    if (Number(response.headers['content-length']) > maxBytes) throw tooLarge;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response as AsyncIterable<Uint8Array>) {
      bytes += part.length;
      if (bytes > maxBytes) throw tooLarge;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }
}

function parseAddress(address: string): URL {
  if (!URL.canParse(address)) throw new DecodeError('is no address');
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new DecodeError(`is at ${url.protocol}; http and https are read`);
  if (url.username !== '' || url.password !== '') throw new DecodeError('has a user in its address');
  return url;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
