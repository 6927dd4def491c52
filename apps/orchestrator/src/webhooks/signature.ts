/** Signatures as Standard Webhooks 1 says: HMAC-SHA256 over id, time and body, one for each secret. */
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';

export interface Signed {
  /** The same in every attempt. */
  id: string;
  /** Of this attempt, in seconds since 1970: a receiver refuses what is old. */
  timestamp: number;
  body: string;
}

/** @param secrets `whsec_` and base64 @returns the headers that go with `body` */
export function signatureHeaders({ id, timestamp, body }: Signed, secrets: string[]): Record<string, string> {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  };
}
