/** The efficient data set in storage: ReLA-D's targets y ∈ R^k, one file of rows a shard, and a manifest that lists them. */
import { ProblemError } from '@rela/contracts';
import type { ArtifactStore } from '@rela/storage';
import type { z } from 'zod';

export async function writeJson(
  store: ArtifactStore,
  value: unknown,
): Promise<{ digest: string; bytes: number }> {
  return store.write(Buffer.from(JSON.stringify(value)));
}

/** Reads a JSON artifact that an earlier stage wrote. @throws ProblemError `invalid-data` where it is something else. */
export async function readJson<T extends z.ZodType>(
  store: ArtifactStore,
  digest: string,
  schema: T,
): Promise<z.infer<T>> {
  const text = Buffer.from(await store.read(digest)).toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ProblemError('invalid-data', `Artifact ${digest} is not JSON. Compute it again.`, undefined, {
      cause: error,
    });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new ProblemError(
      'invalid-data',
      `Artifact ${digest} does not hold what its stage wrote: ${parsed.error.message}`,
    );
  return parsed.data;
}

/** float32 rows as stored: a view of the bytes where they are aligned, else a copy. */
export function floatRows(bytes: Uint8Array): Float32Array {
  if (bytes.byteOffset % 4 === 0)
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  return new Float32Array(bytes.slice().buffer);
}

export function rowBytes(rows: Float32Array): Uint8Array {
  return new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
}
