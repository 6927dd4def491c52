/** The embed stage: one shard through the prior (method.md, section 1, steps 1 and 2) and its statistics for the reduce. */
import type { PriorModel, ShardReference, StageInputOf, StageResultOf } from '@rela/contracts';
import { type LabelledImage, openShard } from '@rela/datasets';
import type { Precision } from '@rela/engine';
import { type Embedder, openEmbedder, ShardStatistics } from '@rela/prior';
import type { ArtifactStore } from '@rela/storage';
import { rowBytes } from './targets.js';
import { type StageTools, secondsSince } from './tools.js';

/** Keeps the session of the prior that was used last: a worker meets the same prior shard after shard. */
export class EmbedderCache {
  private held: { digest: string; embedder: Promise<Embedder> } | null = null;

  /** @param precision see `EmbedderOptions` */
  constructor(
    private readonly threads: number,
    private readonly precision: Precision = 'fast',
  ) {}

  async get(prior: PriorModel, store: ArtifactStore): Promise<Embedder> {
    if (this.held?.digest !== prior.digest) {
      await this.close();
      const embedder = store
        .localPath(prior.model)
        .then((path) => openEmbedder(path, prior, { threads: this.threads, precision: this.precision }));
      this.held = { digest: prior.digest, embedder };
    }
    try {
      return await this.held.embedder;
    } catch (error) {
      this.held = null;
      throw error;
    }
  }

  async close(): Promise<void> {
    const held = this.held;
    this.held = null;
    if (held) await (await held.embedder).dispose();
  }
}

/** Images of a shard in order, each counted as it is taken. */
export async function* shardImages(
  shard: ShardReference,
  { store, signal }: Pick<StageTools, 'store' | 'signal'>,
  onImage: () => void,
): AsyncGenerator<LabelledImage> {
  const opened = await openShard(await store.localPath(shard.digest));
  try {
    for (let index = 0; index < opened.count; index++) {
      signal.throwIfAborted();
      yield await opened.decode(index);
      onImage();
    }
  } finally {
    await opened.close();
  }
}

export async function embedShard(
  { shard, prior }: StageInputOf<'embed'>,
  cache: EmbedderCache,
  tools: StageTools,
): Promise<StageResultOf<'embed'>> {
  const started = performance.now();
  const embedder = await cache.get(prior, tools.store);
  const statistics = ShardStatistics.empty(prior.width);
  const embeddings = new Float32Array(shard.count * prior.width);
  let done = 0;
  let rowsDone = 0;
  const images = shardImages(shard, tools, () => tools.progress(++done, shard.count, 'images'));
  for await (const rows of embedder.embed(images)) {
    embeddings.set(rows, rowsDone * prior.width);
    rowsDone += rows.length / prior.width;
    await statistics.add(rows);
  }
  const written = await tools.store.write(rowBytes(embeddings), { signal: tools.signal });
  const summed = await tools.store.write(statistics.toBytes(), { signal: tools.signal });
  return {
    kind: 'embed',
    embeddings: written.digest,
    statistics: summed.digest,
    count: shard.count,
    width: prior.width,
    seconds: secondsSince(started),
  };
}
