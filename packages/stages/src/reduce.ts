/** The reduce stage: exact PCA from the shards' summed statistics, then every shard projected to targets (method.md, section 1, step 3). */
import type { StageInputOf, StageResultOf, TargetsManifest } from '@rela/contracts';
import { blendFactors, breathing, principalComponents, projectTargets, ShardStatistics } from '@rela/prior';
import { readSideBySide } from './join.js';
import { rowBytes, writeJson } from './targets.js';
import { type StageTools, secondsSince } from './tools.js';

/** @param embeds results of the embed stages, or of a blend's join stages, in the order of the data set's shards */
export async function reduceTargets(
  { k, blend }: StageInputOf<'reduce'>,
  embeds: (StageResultOf<'embed'> | StageResultOf<'join'>)[],
  { store, signal, progress }: StageTools,
): Promise<StageResultOf<'reduce'>> {
  const started = performance.now();
  const [first] = embeds;
  if (!first) throw new Error('A reduce stage needs the results of its embed stages.');
  const total = ShardStatistics.empty(first.width);
  for (const embed of embeds) {
    signal.throwIfAborted();
    total.merge(ShardStatistics.fromBytes(await store.read(embed.statistics)));
  }
  const breath = breathing(signal);
  const factors = blend ? blendFactors(total, blend) : null;
  const components = await principalComponents(total, k, breath, factors);
  const shards: TargetsManifest['shards'] = [];
  for (const [index, embed] of embeds.entries()) {
    signal.throwIfAborted();
    const targets = await projectTargets(await readSideBySide(partsOf(embed), store), components, breath);
    shards.push({ digest: (await store.write(rowBytes(targets), { signal })).digest, count: embed.count });
    progress(index + 1, embeds.length, 'shards');
  }
  const manifest: TargetsManifest = {
    version: 1,
    k,
    count: embeds.reduce((sum, embed) => sum + embed.count, 0),
    shards,
  };
  return {
    kind: 'reduce',
    targets: (await writeJson(store, manifest)).digest,
    k,
    seconds: secondsSince(started),
    embedSeconds: embeds.reduce(
      (sum, embed) => sum + embed.seconds + (embed.kind === 'join' ? embed.embedSeconds : 0),
      0,
    ),
  };
}

function partsOf(
  shard: StageResultOf<'embed'> | StageResultOf<'join'>,
): Pick<StageResultOf<'join'>, 'parts' | 'widths'> {
  return shard.kind === 'join' ? shard : { parts: [shard.embeddings], widths: [shard.width] };
}
