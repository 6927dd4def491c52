/**
 * One attempt at a delivery: a POST whose answer is waited for and read up to a limit. Who names an address must not get to reach, or to
 * read, what lies behind the service: addresses are judged as they are connected to, and redirects are not followed.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { assertPublicHost, hostOf, lookupPublicBy, PrivateAddressError } from '@rela/addresses';
import { KEPT_ANSWER_BYTES } from '@rela/contracts';
import type { ClaimedDelivery } from '@rela/database';
import { createLookup } from './resolve.js';
import { signatureHeaders } from './signature.js';

export interface SendOptions {
  timeoutSeconds: number;
  allowPrivateAddresses: boolean;
  signal: AbortSignal;
}

export interface Answer {
  /** null: none came. */
  status: number | null;
  /** What was wrong, a sentence; null of success. */
  error: string | null;
  milliseconds: number;
  /** The first bytes of the body. */
  answer: string | null;
  /** Seconds that the receiver asked to wait. */
  wishedSeconds: number | null;
}

const USER_AGENT = 'ReLA-Webhooks/1';

const lookup = createLookup();
const lookupPublic = lookupPublicBy(lookup);

/** node:http and not fetch, which takes no `lookup`. */
function post(url: URL, options: http.RequestOptions, body: string): Promise<http.IncomingMessage> {
  const { request } = url.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    request(url, options, resolve).once('error', reject).end(body);
  });
}

/** The first bytes, as text that a database can keep. What follows is not waited for. The status has been said: a body that breaks off changes nothing. */
async function startOf(response: http.IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of response as AsyncIterable<Uint8Array>) {
      parts.push(part);
      bytes += part.length;
      if (bytes >= KEPT_ANSWER_BYTES) break;
    }
  } catch {
    response.destroy();
  }
  const text = new TextDecoder().decode(Buffer.concat(parts).subarray(0, KEPT_ANSWER_BYTES), {
    stream: true,
  });
  return text.replaceAll('\0', '\ufffd');
}

function faultOf(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400)
    return `It answered ${status}, a redirect, which is not followed. Give the webhook the address that it leads to.`;
  return `It answered ${status}.`;
}

function wishOf(response: http.IncomingMessage): number | null {
  const seconds = Number(response.headers['retry-after'] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? seconds : null;
}

function sentenceOf(error: unknown, timeout: AbortSignal, { timeoutSeconds, signal }: SendOptions): string {
  if (signal.aborted) return 'What sent it was stopped before an answer came.';
  if (timeout.aborted) return `No answer came within ${timeoutSeconds} s.`;
  if (error instanceof PrivateAddressError)
    return `${error.message}, which webhooks may not call (PRIVATE_ADDRESSES).`;
  const { message, code } = error as NodeJS.ErrnoException;
  return `It could not be reached: ${message || code}.`;
}

/** @returns what came of it, whatever that is */
export async function sendDelivery(delivery: ClaimedDelivery, options: SendOptions): Promise<Answer> {
  const { id, body, secrets } = delivery;
  const began = performance.now();
  const milliseconds = () => Math.round(performance.now() - began);
  const timeout = AbortSignal.timeout(1000 * options.timeoutSeconds);
  try {
    const url = new URL(delivery.url);
    if (!options.allowPrivateAddresses) assertPublicHost(hostOf(url));
    const headers = {
      ...signatureHeaders({ id, timestamp: Math.floor(Date.now() / 1000), body }, secrets),
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': USER_AGENT,
    };
    const response = await post(
      url,
      {
        ...{ method: 'POST', headers, agent: false, signal: AbortSignal.any([timeout, options.signal]) },
        lookup: options.allowPrivateAddresses ? lookup : lookupPublic,
      },
      body,
    );
    const status = response.statusCode ?? 0;
    const answer = await startOf(response);
    response.destroy();
    const wishedSeconds = wishOf(response);
    return { status, error: faultOf(status), milliseconds: milliseconds(), answer, wishedSeconds };
  } catch (error) {
    const sentence = sentenceOf(error, timeout, options);
    return { status: null, error: sentence, milliseconds: milliseconds(), answer: null, wishedSeconds: null };
  }
}
