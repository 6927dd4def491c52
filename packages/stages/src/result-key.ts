/** Result keys: equal keys mean equal results, whoever computed them and when. */
import { createHash } from 'node:crypto';
import type { StageKind } from '@rela/contracts';

/**
 * Raised when a stage computes other numbers than before from the same input, so that old results are not taken. Of `embed` and
 * `evaluate`: 2 since convolutions of a prior are rewritten (`packages/prior`), which moves embeddings by rounding errors. Of `reduce`:
 * 2 since its products are ONNX Runtime's, which moves targets likewise. Of `choose`: 2 since candidates are compared by their variance.
 * Of `train`: 3 since its weight files are state dicts.
 */
const REVISION: Record<StageKind, number> = {
  ...{ ingest: 1, adopt: 1, appraise: 1, choose: 2, embed: 2, join: 1, reduce: 2, train: 3, evaluate: 2 },
};

type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

/** JSON with sorted keys and without absent ones, so that equal values give equal text. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).filter((entry): entry is [string, Json] => entry[1] !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`;
}

/** `kind:hex` over everything that decides the result. */
export function resultKey(kind: StageKind, decides: { [key: string]: Json | undefined }): string {
  const text = canonicalJson({ ...decides, revision: REVISION[kind] });
  return `${kind}:${createHash('sha256').update(text).digest('hex')}`;
}
