/** The key that the first `rela up` makes: commands on the same home show it, and people who read the folder may copy it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from '@rela/database';

const NAME = 'rela up';

export const keyFileOf = (home: string): string => join(home, 'api-key');

/** Makes an admin key of the default tenant where nobody has made a key yet. @returns its secret; null where there are keys */
export async function makeFirstKey(
  { apiKeys }: Pick<Database, 'apiKeys'>,
  home: string,
): Promise<string | null> {
  const { items } = await apiKeys.list({ limit: 1 });
  if (items.length > 0) return null;
  const { secret } = await apiKeys.create({ name: NAME, scope: 'admin' });
  // For its owner's eyes alone.
  await writeFile(keyFileOf(home), `${secret}\n`, { mode: 0o600 });
  return secret;
}

/** Null where this home has none. */
export async function readKey(home: string): Promise<string | null> {
  try {
    return (await readFile(keyFileOf(home), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
