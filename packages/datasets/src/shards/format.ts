/**
 * The file format of a shard. All numbers are little endian.
 *
 *   bytes 0–7    "RELASHD1"
 *   bytes 8–11   uint32: bytes of the header
 *   then         the header, JSON (`ShardHeader`)
 *   then         the blobs of the images, one after the other
 *
 * A blob is pixels (8 bits, [height, width, channels]) where `shape` or `shapes` gives its shape, else the bytes of a JPEG, PNG or
 * WebP file.
 */
import { ProblemError } from '@rela/contracts';
import { z } from 'zod';

export const MAGIC = 'RELASHD1';
export const PREFIX_BYTES = 12;
/** A header of 65,536 images with long names takes a fraction of this. */
export const MAX_HEADER_BYTES = 256 * 1024 ** 2;

const Shape = z.tuple([z.int().positive(), z.int().positive(), z.union([z.literal(1), z.literal(3)])]);
/** height, width, channels */
export type Shape = z.infer<typeof Shape>;

export const ShardHeader = z.object({
  count: z.int().nonnegative(),
  /** Bytes of every blob. */
  sizes: z.array(z.int().nonnegative()),
  /** The shape that all images share. */
  shape: Shape.nullable(),
  /** The shape of every image, null for one that is a file; null where `shape` says it, or where all are files. */
  shapes: z.array(Shape.nullable()).nullable(),
  /** null without labels */
  labels: z.array(z.int().nonnegative()).nullable(),
  /** Names for people; null where an image is named by its place. */
  names: z.array(z.string()).nullable(),
});
export type ShardHeader = z.infer<typeof ShardHeader>;

export interface ShardImage {
  blob: Uint8Array;
  /** null: `blob` is the bytes of a file. */
  shape: Shape | null;
  label: number | null;
  name: string | null;
}

/** A shard's bytes; equal images give equal bytes. */
export function encodeShard(images: readonly ShardImage[]): Uint8Array {
  const labels = images.map(({ label }) => label).filter((label) => label !== null);
  const names = images.map(({ name }) => name).filter((name) => name !== null);
  const shapes = images.map(({ shape }) => shape);
  const isShared = shapes.every((shape) => String(shape) === String(shapes[0]));
  const header: ShardHeader = {
    count: images.length,
    sizes: images.map(({ blob }) => blob.length),
    shape: isShared ? (shapes[0] ?? null) : null,
    shapes: isShared ? null : shapes,
    labels: labels.length === images.length ? labels : null,
    names: names.length === images.length ? names : null,
  };
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write(MAGIC, 'latin1');
  prefix.writeUInt32LE(json.length, MAGIC.length);
  return Buffer.concat([prefix, json, ...images.map(({ blob }) => blob)]);
}

/** Bytes of the header, by the first PREFIX_BYTES of a shard. @throws ProblemError `invalid-data` */
export function headerBytes(prefix: Buffer, path: string): number {
  const size = prefix.length === PREFIX_BYTES ? prefix.readUInt32LE(MAGIC.length) : 0;
  if (prefix.toString('latin1', 0, MAGIC.length) !== MAGIC || size === 0 || size > MAX_HEADER_BYTES)
    throw new ProblemError('invalid-data', `${path} is no shard of a data set. Ingest the data set again.`);
  return size;
}

/** @throws ProblemError `invalid-data` where it is not a shard's header, or does not fit a file of `fileBytes` */
export function parseHeader(json: Buffer, path: string, fileBytes: number): ShardHeader {
  const damaged = (what: string, cause?: unknown) =>
    new ProblemError(
      'invalid-data',
      `The shard ${path} is damaged: ${what}. Ingest the data set again.`,
      undefined,
      {
        cause,
      },
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(json.toString());
  } catch (error) {
    throw damaged('its header is not JSON', error);
  }
  const { success, data, error } = ShardHeader.safeParse(parsed);
  if (!success) throw damaged(`its header is not as it should be: ${z.prettifyError(error)}`, error);
  for (const list of [data.sizes, data.shapes, data.labels, data.names])
    if (list && list.length !== data.count)
      throw damaged(`a list of its header has not ${data.count} entries`);
  const expected = PREFIX_BYTES + json.length + data.sizes.reduce((sum, size) => sum + size, 0);
  if (expected !== fileBytes) throw damaged(`it has ${fileBytes} bytes, ${expected} are announced`);
  return data;
}
