/** The join stage: statistics of one shard's embeddings by several priors, side by side, so that the reduce can blend them exactly. */
import type { StageResultOf } from '@rela/contracts';
import { ShardStatistics, sideBySide } from '@rela/prior';
import type { ArtifactStore } from '@rela/storage';
import { floatRows } from './targets.js';
import { type StageTools, secondsSince } from './tools.js';

/** Embeddings [count, Σ m], read from those of each prior. */
export async function readSideBySide(
  { parts, widths }: Pick<StageResultOf<'join'>, 'parts' | 'widths'>,
  store: ArtifactStore,
): Promise<Float32Array> {
  const read: { rows: Float32Array; width: number }[] = [];
  for (const [index, digest] of parts.entries())
    read.push({ rows: floatRows(await store.read(digest)), width: widths[index]! });
  return read.length === 1 ? read[0]!.rows : sideBySide(read);
}

/** @param embeds results of the shard's embed stages, one a prior */
export async function joinEmbeddings(
  embeds: StageResultOf<'embed'>[],
  { store, signal }: StageTools,
): Promise<StageResultOf<'join'>> {
  const started = performance.now();
  const [first] = embeds;
  if (!first) throw new Error('A join stage needs the results of its embed stages.');
  const [parts, widths] = [embeds.map(({ embeddings }) => embeddings), embeds.map(({ width }) => width)];
  const width = widths.reduce((sum, own) => sum + own, 0);
  const statistics = ShardStatistics.empty(width);
  await statistics.add(await readSideBySide({ parts, widths }, store));
  signal.throwIfAborted();
  return {
    kind: 'join',
    ...{ parts, widths, width, count: first.count },
    statistics: (await store.write(statistics.toBytes(), { signal })).digest,
    seconds: secondsSince(started),
    embedSeconds: embeds.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}
