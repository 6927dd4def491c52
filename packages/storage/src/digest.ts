/** Digests: reading them as text, and computing them while bytes pass. */
import { createHash } from 'node:crypto';
import { Digest, ProblemError } from '@rela/contracts';

export const isDigest = (text: string): boolean => Digest.safeParse(text).success;

/** The hexadecimal digits of a digest. @throws ProblemError `invalid-request` for anything else. */
export function hexOf(digest: string): string {
  if (!isDigest(digest))
    throw new ProblemError(
      'invalid-request',
      `"${digest.slice(0, 80)}" is not a digest. A digest is sha256: and 64 hexadecimal digits.`,
    );
  return digest.slice('sha256:'.length);
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Takes the digest and the size of what flows through it. */
export class Digester {
  readonly #hash = createHash('sha256');
  bytes = 0;

  add(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.bytes += chunk.byteLength;
  }

  /** To be called once, after the last `add`. */
  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/** Passes `body` on and fails at its end where the bytes do not give `digest`. `where` names the place in the error. */
export async function* verified(
  body: AsyncIterable<Uint8Array>,
  digest: string,
  where: string,
): AsyncGenerator<Uint8Array> {
  const digester = new Digester();
  for await (const chunk of body) {
    digester.add(chunk);
    yield chunk;
  }
  assertDigest(digester.digest(), digest, where);
}

export function assertDigest(actual: string, expected: string, where: string): void {
  if (actual !== expected)
    throw new ProblemError(
      'invalid-data',
      `The artifact ${expected} at ${where} is damaged: its bytes give ${actual}. Remove it, and run the job that made it again.`,
    );
}

export function missing(digest: string, where: string): ProblemError {
  return new ProblemError('not-found', `There is no artifact ${digest} in ${where}.`);
}
