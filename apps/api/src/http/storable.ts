/** Text that a database cannot keep: the character NUL, and half of a character beyond the first 65,536. */
import { fieldName } from '@rela/contracts';

const isStorable = (text: string) => !text.includes('\0') && !/\p{Surrogate}/u.test(text);

/** Whether JSON may hold such text: as it is, or escaped. */
const MAY_HOLD = /\\u0000|\\ud[89a-f]|\p{Surrogate}/iu;

export const mayHoldUnstorable = (json: string): boolean => json.includes('\0') || MAY_HOLD.test(json);

interface Place {
  value: unknown;
  key: PropertyKey;
  /** Linked, not copied: a body may be nested a hundred thousand deep. */
  owner: Place | null;
}

/** Parts of a field that are named. */
const NAMED = 32;

function fieldOf(place: Place): string {
  const path: PropertyKey[] = [];
  for (let at = place; at.owner; at = at.owner) path.push(at.key);
  const shown = path.reverse().slice(0, NAMED);
  return `${fieldName(shown)}${path.length > NAMED ? '…' : ''}`;
}

/** @returns the field of a name or value that cannot be kept; null where there is none. It may be nested however deep. */
export function unstorableIn(document: unknown): string | null {
  const open: Place[] = [{ value: document, key: '', owner: null }];
  for (let place = open.pop(); place; place = open.pop()) {
    const { value } = place;
    if (typeof value === 'string' && !isStorable(value)) return fieldOf(place);
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, inner] of Object.entries(value)) {
      if (!isStorable(key)) return fieldOf(place);
      open.push({ value: inner, key: Array.isArray(value) ? Number(key) : key, owner: place });
    }
  }
  return null;
}

export const UNSTORABLE = 'has a character that cannot be stored: NUL, or half of a surrogate pair';
