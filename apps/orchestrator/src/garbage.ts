/** Keeps the storage free of what nobody needs: see packages/database/src/repositories/garbage.ts. */
import type { Database, Forgotten, Retention } from '@rela/database';
import type { ArtifactStore } from '@rela/storage';
import type { Logger } from 'pino';

export interface GarbageOptions extends Retention {
  database: Pick<Database, 'garbage'>;
  store: Pick<ArtifactStore, 'list' | 'read' | 'has' | 'remove' | 'usedAt' | 'now'>;
  log: Pick<Logger, 'info' | 'warn'>;
  /** An artifact that was written or touched since is left alone. */
  graceSeconds: number;
  signal: AbortSignal;
}

export interface Swept extends Forgotten {
  artifacts: number;
  bytes: number;
}

const AT_ONCE = 500;
const DIGESTS = /sha256:[0-9a-f]{64}/g;

/** One sweep. @returns what went; null where another process is sweeping */
export async function sweepGarbage(options: GarbageOptions): Promise<Swept | null> {
  const { database, log, signal, ...retention } = options;
  const swept = await database.garbage.alone(async () => {
    const forgotten = await database.garbage.forget(retention);
    const collection = await database.garbage.collect();
    await collectLists(options, collection);
    return { ...forgotten, ...(await removeUnnamed(options, collection)) };
  });
  if (swept && Object.values(swept).some((count) => count > 0))
    log.info(swept, 'removed what nothing refers to any more');
  return swept;
}

/** What data sets and targets consist of stands in their manifests, not in rows. */
async function collectLists(
  { database: { garbage }, store, signal }: GarbageOptions,
  collection: string,
): Promise<void> {
  for (const list of await garbage.lists()) {
    signal.throwIfAborted();
    // One that is gone keeps nothing; one that cannot be read now ends the sweep before anything is removed.
    if (!(await store.has(list))) continue;
    const text = new TextDecoder().decode(await store.read(list));
    const named = [...new Set(text.match(DIGESTS))];
    for (let start = 0; start < named.length; start += AT_ONCE)
      await garbage.addNamed(collection, named.slice(start, start + AT_ONCE));
  }
}

async function removeUnnamed(
  options: GarbageOptions,
  collection: string,
): Promise<{ artifacts: number; bytes: number }> {
  const { store, graceSeconds, signal } = options;
  const removed = { artifacts: 0, bytes: 0 };
  // By the clock of the place, as the times of its artifacts are: one that this machine's clock takes for old may be about to be named.
  const oldest = (await store.now()) - 1000 * graceSeconds;
  let batch = new Map<string, number>();
  const flush = async () => {
    const { garbage } = options.database;
    for (const digest of await garbage.unnamed(collection, [...batch.keys()])) {
      signal.throwIfAborted();
      // Somebody may have touched it since it was listed, to name it.
      const usedAt = await store.usedAt(digest);
      if (usedAt === null || usedAt > oldest) continue;
      // The row first: one without its artifact would be worse than an artifact without its row.
      await garbage.forgetArtifact(digest);
      await store.remove(digest);
      removed.artifacts += 1;
      removed.bytes += batch.get(digest) ?? 0;
    }
    batch = new Map();
  };
  for await (const { digest, bytes, usedAt } of store.list()) {
    signal.throwIfAborted();
    if (usedAt > oldest) continue;
    batch.set(digest, bytes);
    if (batch.size === AT_ONCE) await flush();
  }
  await flush();
  return removed;
}
