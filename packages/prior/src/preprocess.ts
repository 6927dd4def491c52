/**
 * From a decoded image to a prior's input (method.md, section 1, step 1): the short side resized to the input, centre crop,
 * scale, normalisation, layout, channels. No augmentation.
 *
 * The resampling is our own: it gives the same floats on every processor, which content-addressed results need (libvips
 * picks other code for AVX-512 than for AVX2), and it costs less than a call of sharp (README).
 */
import type { Preprocessing } from '@rela/contracts';
import type { DecodedImage } from './image.js';
import { Resampler, triangleTaps } from './resample.js';

/** ITU-R BT.601 luma, as Pillow converts to grey. */
const LUMA = [0.299, 0.587, 0.114] as const;

/** Values that stay from 0 to 255. */
const BYTES = { scale: [1, 1, 1], shift: [0, 0, 0] };

/** What is the same for every image of a prior: value = byte · scale + shift, per channel. */
interface Plan {
  scale: number[];
  shift: number[];
  resampler: Resampler;
  /** Size of the images that the resampler is prepared for. */
  size: { height: number; width: number; channels: 1 | 3 } | null;
  /** [channels, width]: a row of an image that has the right size. */
  line: Float32Array;
}

const plans = new WeakMap<Preprocessing, Plan>();

function planOf(preprocessing: Preprocessing): Plan {
  const held = plans.get(preprocessing);
  if (held) return held;
  const unit = preprocessing.scale === 'unit' ? 255 : 1;
  const plan: Plan = {
    scale: preprocessing.std.map((std) => 1 / (unit * std)),
    shift: preprocessing.mean.map((mean, channel) => -mean / preprocessing.std[channel]!),
    resampler: new Resampler(),
    size: null,
    line: new Float32Array(3 * preprocessing.width),
  };
  plans.set(preprocessing, plan);
  return plan;
}

/** Python's round: halves go to the even neighbour. torchvision places its centre crop with it. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** The sides after resizing, by torchvision's rule: the side that binds is exact, the other one is cut to an integer. */
function resizedTo(image: { height: number; width: number }, { height, width }: Preprocessing) {
  return height * image.width >= width * image.height
    ? { height, width: Math.max(width, Math.trunc((height * image.width) / image.height)) }
    : { height: Math.max(height, Math.trunc((width * image.height) / image.width)), width };
}

/** Prepares the resampler for the size of this image, if the last one had another. */
function prepare(plan: Plan, image: DecodedImage, preprocessing: Preprocessing): void {
  const { size } = plan;
  const { channels } = image;
  if (size?.height === image.height && size.width === image.width && size.channels === channels) return;
  const { height, width } = preprocessing;
  const resized = resizedTo(image, preprocessing);
  const columns = triangleTaps(image.width, resized.width, roundHalfEven((resized.width - width) / 2), width);
  const rows = triangleTaps(
    image.height,
    resized.height,
    roundHalfEven((resized.height - height) / 2),
    height,
  );
  const top = rows.first[0]!;
  const bottom = rows.first[height - 1]! + rows.count[height - 1]!;
  plan.resampler.prepare({ width: image.width, channels, columns, rows, top, bottom });
  plan.size = { height: image.height, width: image.width, channels };
}

/** Number of values that one image takes in a prior's input. */
export const inputLength = ({ height, width, channels }: Preprocessing): number => height * width * channels;

/**
 * Writes one image at `offset`.
 * @param into the batch: [n, C, H, W] or [n, H, W, C] as `preprocessing.layout` says; bytes where its dtype is uint8
 * @throws RangeError where the image has fewer bytes than its size says
 */
export function preprocess(
  image: DecodedImage,
  preprocessing: Preprocessing,
  into: Float32Array | Uint8Array,
  offset: number,
): void {
  if (image.height < 1 || image.width < 1 || image.data.length < image.height * image.width * image.channels)
    throw new RangeError(
      `An image of ${image.height}×${image.width}×${image.channels} came with ${image.data.length} bytes.`,
    );
  const plan = planOf(preprocessing);
  const { height, width } = preprocessing;
  const isResized = image.height !== height || image.width !== width;
  if (isResized) {
    prepare(plan, image, preprocessing);
    plan.resampler.narrow(image.data);
  }
  // Where channels and layout stay, the vertical pass normalises as well.
  const isWhole =
    isResized &&
    image.channels === preprocessing.channels &&
    preprocessing.layout === 'nchw' &&
    into instanceof Float32Array;
  for (let row = 0; row < height; row++) {
    if (isWhole) {
      const line = plan.resampler.row(row, plan);
      for (let channel = 0; channel < image.channels; channel++)
        into.set(
          line.subarray(channel * width, (channel + 1) * width),
          offset + (channel * height + row) * width,
        );
      continue;
    }
    if (!isResized) takeRow(image, row, plan.line);
    const line = isResized ? plan.resampler.row(row, BYTES) : plan.line;
    writeLine(line, image.channels, { preprocessing, plan, row }, into, offset);
  }
}

/** A row of an image that has the right size, its colours apart. */
function takeRow({ data, width, channels }: DecodedImage, row: number, line: Float32Array): void {
  const start = row * width * channels;
  for (let channel = 0; channel < channels; channel++)
    for (let column = 0; column < width; column++)
      line[channel * width + column] = data[start + column * channels + channel]!;
}

/** Converts channels, normalises and lays out one row of [channels, width] floats from 0 to 255. */
function writeLine(
  line: Float32Array,
  channels: 1 | 3,
  { preprocessing, plan, row }: { preprocessing: Preprocessing; plan: Plan; row: number },
  into: Float32Array | Uint8Array,
  offset: number,
): void {
  const { height, width, layout, channels: wanted } = preprocessing;
  if (channels === 3 && wanted === 1)
    for (let column = 0; column < width; column++)
      line[column] =
        LUMA[0] * line[column]! + LUMA[1] * line[width + column]! + LUMA[2] * line[2 * width + column]!;
  const round = into instanceof Uint8Array ? 0.5 : 0;
  for (let channel = 0; channel < wanted; channel++) {
    const from = channels === 3 && wanted === 3 ? channel * width : 0;
    const stride = layout === 'nchw' ? 1 : wanted;
    const start =
      offset + (layout === 'nchw' ? (channel * height + row) * width : row * width * wanted + channel);
    const scale = plan.scale[channel]!;
    const shift = plan.shift[channel]! + round;
    for (let column = 0; column < width; column++)
      into[start + column * stride] = line[from + column]! * scale + shift;
  }
}
