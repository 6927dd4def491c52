/** Names of things: prefixed, time-ordered ids for rows, sha256 digests for content. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';

export type IdPrefix =
  | 'ds'
  | 'pr'
  | 'job'
  | 'run'
  | 'stg'
  | 'mdl'
  | 'tnt'
  | 'key'
  | 'wh'
  | 'msg'
  | 'sch'
  | 'fir';

/**
 * A new id such as `job_0192f3c1a2b37c4d8e9fa0b1c2d3e4f5`: a UUIDv7 (RFC 9562) without dashes behind a prefix.
 * Ids sort by creation time, so that a list can be paged by id.
 */
export function newId(prefix: IdPrefix, now: number = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return `${prefix}_${bytes.toString('hex')}`;
}

/** Content address of an artifact. */
export const Digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hexadecimal digits')
  .meta({
    id: 'Digest',
    description: 'Content address: sha256 of the bytes',
    example: `sha256:${'0'.repeat(64)}`,
  });
export type Digest = z.infer<typeof Digest>;

/** A name that a person gives to a dataset, prior, job or run. */
export const Name = z
  .string()
  .min(1)
  .max(120)
  .regex(
    /^[\w][\w .:@/+=-]*$/,
    'must start with a letter or digit; letters, digits, space and . : @ / + = - _ may follow',
  );

/** A reference to a resource: its id, its name (the newest of that name) or its digest. */
export const Reference = z.string().min(1).max(200);

export const Timestamp = z.iso.datetime();
