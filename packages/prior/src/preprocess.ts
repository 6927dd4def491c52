/**
 * From a decoded image to a prior's input (method.md, section 1, step 1): the short side resized to the input, centre crop,
 * scale, normalisation, layout, channels. No augmentation.
 *
 * The resampling is our own: it gives the same floats on every processor, which content-addressed results need (libvips
 * picks other code for AVX-512 than for AVX2), and on the small images of most data sets it costs far less than a call of
 * sharp (README). Images of many megapixels cost more than with sharp; their decoding costs as much again.
 */
import type { Preprocessing } from '@rela/contracts';
import type { DecodedImage } from './image.js';
import { resampleColumns, resampleRow, type Taps, triangleTaps } from './resample.js';

/** ITU-R BT.601 luma, as Pillow converts to grey. */
const LUMA = [0.299, 0.587, 0.114] as const;

/** What is the same for every image of one size. */
interface SizePlan {
  height: number;
  width: number;
  columns: Taps;
  rows: Taps;
  /** Source rows that any output row reads. */
  top: number;
  bottom: number;
}

/** What is the same for every image of a prior: value = byte · scale + shift, per channel. */
interface Plan {
  scale: number[];
  shift: number[];
  size: SizePlan | null;
  /** Rows of the width of the input, their colours apart: [rows, channels, width]. Kept from image to image. */
  narrowed: Float32Array;
  /** [channels, width]: the row that is being made. */
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
    size: null,
    narrowed: new Float32Array(),
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

function planSize(image: DecodedImage, preprocessing: Preprocessing): SizePlan {
  const { height, width } = preprocessing;
  const resized = resizedTo(image, preprocessing);
  const columns = triangleTaps(image.width, resized.width, roundHalfEven((resized.width - width) / 2), width);
  const rows = triangleTaps(
    image.height,
    resized.height,
    roundHalfEven((resized.height - height) / 2),
    height,
  );
  return {
    height: image.height,
    width: image.width,
    columns,
    rows,
    top: rows.first[0]!,
    bottom: rows.first[height - 1]! + rows.count[height - 1]!,
  };
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
  if (plan.size?.height !== image.height || plan.size.width !== image.width)
    plan.size = planSize(image, preprocessing);
  const { columns, rows, top, bottom } = plan.size;
  const { height, width } = preprocessing;
  const { line } = plan;
  const isResized = image.height !== height || image.width !== width;
  const rowLength = width * image.channels;
  if (isResized) {
    const needed = (bottom - top) * rowLength;
    if (plan.narrowed.length < needed) plan.narrowed = new Float32Array(needed);
    resampleColumns(
      image.data,
      { width: image.width, channels: image.channels, top, bottom },
      columns,
      plan.narrowed,
    );
  }
  for (let row = 0; row < height; row++) {
    if (isResized) resampleRow(plan.narrowed, { top, rowLength, row }, rows, line);
    else takeRow(image, row, line);
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
