/** A sample of a split: which images, the same for the same seed; and reading them, plain and as augmented views. */
import type { SampledShard, ShardReference } from '@rela/contracts';
import {
  createViewer,
  type DecodedImage,
  type LabelledImage,
  openShard,
  type Viewer,
  viewFloats,
  viewKey,
} from '@rela/datasets';
import { relaViews } from '@rela/learning';
import { createRandom } from '@rela/random';
import type { StageTools } from './tools.js';

/** A sample reads no more of them, however many there are: each may have to be fetched. */
const MAX_SHARDS = 16;

/** `count` images (all, where there are fewer) of at most sixteen shards, drawn by `seed`. */
export function drawSample(shards: readonly ShardReference[], count: number, seed: number): SampledShard[] {
  const random = createRandom(seed, 'sample');
  const drawn = [...random.fork('shards').permutation(shards.length)]
    .slice(0, MAX_SHARDS)
    .sort((a, b) => a - b);
  const starts: number[] = [];
  let images = 0;
  for (const index of drawn) {
    starts.push(images);
    images += shards[index]!.count;
  }
  const chosen = random.fork('images').permutation(images).slice(0, count).sort();
  return drawn
    .map((index, at) => {
      const shard = shards[index]!;
      const [from, to] = [starts[at]!, starts[at]! + shard.count];
      return {
        shard,
        indices: [...chosen].filter((image) => image >= from && image < to).map((image) => image - from),
      };
    })
    .filter(({ indices }) => indices.length > 0);
}

/** The images of the sample, in its order. */
export async function readSample(
  sample: SampledShard[],
  { store, signal }: Pick<StageTools, 'store' | 'signal'>,
): Promise<LabelledImage[]> {
  const images: LabelledImage[] = [];
  for (const { shard, indices } of sample) {
    const opened = await openShard(await store.localPath(shard.digest));
    try {
      for (const index of indices) {
        signal.throwIfAborted();
        images.push(await opened.decode(index));
      }
    } finally {
      await opened.close();
    }
  }
  return images;
}

/**
 * One view of every image as ReLA's loss sees it (method.md, section 2), as an image of 8 bits that any prior takes.
 * @param largest side of a view in pixels; smaller where the image is
 */
export function* mildViews(
  images: Iterable<DecodedImage>,
  { largest, seed }: { largest: number; seed: number },
): Generator<DecodedImage> {
  const viewers = new Map<number, Viewer>();
  let number = 0;
  for (const image of images) {
    const { channels } = image;
    const [recipe] = relaViews(Math.min(image.height, image.width, largest));
    const plain = { mean: new Array<number>(channels).fill(0), std: new Array<number>(channels).fill(1) };
    const viewer = viewers.get(channels) ?? createViewer({ channels, ...plain });
    viewers.set(channels, viewer);
    const pixels = new Float32Array(viewFloats(recipe!, channels));
    viewer.draw(image, recipe!, createRandom(seed, ...viewKey(0, number++, 1)), pixels, 0);
    yield {
      data: Uint8Array.from(pixels, (value) => Math.round(255 * value)),
      ...{ height: recipe!.size, width: recipe!.size, channels },
    };
  }
}
