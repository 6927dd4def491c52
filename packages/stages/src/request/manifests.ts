/** Manifests of data sets, read once: they never change, and most jobs are of one of the data sets before. */
import { DatasetManifest } from '@rela/contracts';
import type { ArtifactStore } from '@rela/storage';

export type ReadManifest = (digest: string) => Promise<DatasetManifest>;

/** Shards of all manifests that are remembered, some 200 bytes each; those that were asked for last stay. */
const MOST_SHARDS = 200_000;

const shardsOf = ({ splits: { train, test } }: DatasetManifest): number =>
  train.shards.length + (test?.shards.length ?? 0);

export function createManifests(store: Pick<ArtifactStore, 'read'>): ReadManifest {
  /** The one that was asked for last is the last. */
  const known = new Map<string, Promise<DatasetManifest>>();
  const sizes = new Map<string, number>();

  function forget(digest: string): void {
    known.delete(digest);
    sizes.delete(digest);
  }

  async function read(digest: string): Promise<DatasetManifest> {
    try {
      const manifest = DatasetManifest.parse(
        JSON.parse(new TextDecoder().decode(await store.read(digest))) as unknown,
      );
      sizes.set(digest, shardsOf(manifest));
      for (const other of known.keys()) {
        if ([...sizes.values()].reduce((sum, size) => sum + size, 0) <= MOST_SHARDS) break;
        if (other !== digest) forget(other);
      }
      return manifest;
    } catch (error) {
      // What failed is asked for again.
      forget(digest);
      throw error;
    }
  }

  return (digest) => {
    const manifest = known.get(digest) ?? read(digest);
    known.delete(digest);
    known.set(digest, manifest);
    return manifest;
  };
}
