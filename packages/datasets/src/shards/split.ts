/** A split of a data set: its images by number, over all shards, with constant memory. */
import { type DatasetManifest, ProblemError, type SplitName } from '@rela/contracts';
import { type LabelledImage, withChannels } from '../image.js';
import { Recent } from './recent.js';
import { Shard } from './shard.js';

/** Local path of an artifact. A path may stop to exist later; then it is asked for again. */
export type ResolveArtifact = (digest: string) => Promise<string>;

export interface Split {
  count: number;
  channels: 1 | 3;
  /** The image in the data set's number of channels. @throws ProblemError `invalid-data` naming it where it does not decode */
  decode(index: number): Promise<LabelledImage>;
  /** −1 without a label. */
  label(index: number): Promise<number>;
  /** Labels [count], −1 without one. Reads the header of every shard. */
  labels(): Promise<Int32Array>;
  close(): Promise<void>;
}

/** Shards that are open at once. One takes a file handle and about 16 bytes an image. */
const MAX_OPEN = 256;

/** @throws ProblemError `invalid-data` where the data set has no such split */
export async function openSplit(
  manifest: Pick<DatasetManifest, 'splits' | 'channels'>,
  name: SplitName,
  resolve: ResolveArtifact,
): Promise<Split> {
  const split = manifest.splits[name];
  if (!split) throw new ProblemError('invalid-data', `The data set has no ${name} split.`);
  return new ShardedSplit(split, manifest.channels, resolve);
}

class ShardedSplit implements Split {
  readonly count: number;
  /** Number of the first image of every shard, and behind the last the count. */
  readonly #starts: Uint32Array;
  readonly #shards: Recent<Shard>;

  constructor(
    private readonly split: DatasetManifest['splits']['train'],
    readonly channels: 1 | 3,
    resolve: ResolveArtifact,
  ) {
    this.#starts = startsOf(split.shards);
    this.count = this.#starts.at(-1)!;
    this.#shards = new Recent(
      MAX_OPEN,
      async (number) => Shard.open(await resolve(split.shards[number]!.digest)),
      (shard) => shard.close(),
    );
  }

  async decode(index: number): Promise<LabelledImage> {
    const { number, within } = this.#locate(index);
    const image = await (await this.#shards.get(number)).decode(within);
    return { ...withChannels(image, this.channels), label: image.label };
  }

  async label(index: number): Promise<number> {
    const { number, within } = this.#locate(index);
    return (await this.#shards.get(number)).label(within);
  }

  async labels(): Promise<Int32Array> {
    const labels = new Int32Array(this.count);
    for (const [number, { count }] of this.split.shards.entries()) {
      const shard = await this.#shards.get(number);
      for (let within = 0; within < count; within++)
        labels[this.#starts[number]! + within] = shard.label(within);
    }
    return labels;
  }

  close(): Promise<void> {
    return this.#shards.close();
  }

  #locate(index: number): { number: number; within: number } {
    const number = shardOf(this.#starts, index);
    return { number, within: index - this.#starts[number]! };
  }
}

/** Number of the first row of every shard, and behind the last the number of all rows. */
export function startsOf(shards: readonly { count: number }[]): Uint32Array {
  const starts = new Uint32Array(shards.length + 1);
  for (const [number, { count }] of shards.entries()) starts[number + 1] = starts[number]! + count;
  return starts;
}

/** The shard that holds row `index`. @throws RangeError where there is no such row */
export function shardOf(starts: Uint32Array, index: number): number {
  if (!(index >= 0 && index < starts.at(-1)!)) throw new RangeError(`row ${index} of ${starts.at(-1)}`);
  let low = 0;
  let high = starts.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= index) low = middle;
    else high = middle;
  }
  return low;
}
