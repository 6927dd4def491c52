/**
 * The preprocessing of a prior: what its user says, then what its input's shape and type say, then the metadata that our own
 * exports carry, then ImageNet's statistics. What none of them says is asked for by name.
 */
import { Preprocessing, ProblemError } from '@rela/contracts';
import { describeValue, type ValueInfo } from './onnx/model.js';

/** Statistics of ImageNet's training images, per channel in [0, 1]: what most vision models were trained with. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Keys of `metadata_props` in models that this service exports. */
const METADATA = {
  height: 'rela.height',
  width: 'rela.width',
  channels: 'rela.channels',
  layout: 'rela.layout',
  scale: 'rela.scale',
  mean: 'rela.mean',
  std: 'rela.std',
} as const;

type Layout = Preprocessing['layout'];
type Faults = { field: string; message: string }[];

/** Element types of an input that can be fed: float16 and float64 behind a Cast. */
export const INPUT_TYPES = ['float32', 'float16', 'float64', 'uint8'] as const;

const AXES: Record<Layout, { channels: number; height: number; width: number }> = {
  nchw: { channels: 1, height: 2, width: 3 },
  nhwc: { channels: 3, height: 1, width: 2 },
};

/** What the sources say of one value, and how to ask for it. */
interface Sources {
  given: number | undefined;
  /** From the input's shape; null or a name where any size will do. */
  fixed: number | string | null | undefined;
  metadata: number | undefined;
}

/**
 * @throws ProblemError `invalid-model`: the input is no image batch, or what was given contradicts it; `errors` names each
 *   field of `preprocessing` that has to be given or changed
 */
export function inferPreprocessing(
  input: ValueInfo,
  metadata: ReadonlyMap<string, string>,
  given: Partial<Preprocessing>,
): Preprocessing {
  const shape = imageBatchShape(input);
  const faults: Faults = [];
  const stored = readMetadata(metadata, faults);

  const layout = given.layout ?? stored.layout ?? layoutOf(input, shape, faults);
  // With sizes in the shape but no layout, which size is which is known only after the layout was given.
  const asksForSizes = layout !== undefined || shape.slice(1).every((size) => typeof size !== 'number');
  const size = (name: 'channels' | 'height' | 'width') =>
    asksForSizes
      ? resolve(
          name,
          { given: given[name], fixed: layout && shape[AXES[layout][name]], metadata: stored[name] },
          faults,
        )
      : given[name];
  const channels = size('channels');
  const height = size('height');
  const width = size('width');

  const dtype = input.type === 'uint8' ? 'uint8' : 'float32';
  if (given.dtype !== undefined && given.dtype !== dtype)
    faults.push({
      field: 'preprocessing.dtype',
      message: `is ${given.dtype}, but input "${input.name}" takes ${dtype}`,
    });
  if (dtype === 'uint8') refuseNormalisation(given, faults);
  const scale = dtype === 'uint8' ? 'byte' : (given.scale ?? stored.scale ?? 'unit');
  const statistic = (name: 'mean' | 'std', plain: number) =>
    given[name] ??
    (dtype === 'uint8' ? new Array<number>(channels ?? 0).fill(plain) : undefined) ??
    inScale(
      stored[name] ?? imagenet(name, channels),
      stored[name] ? (stored.scale ?? 'unit') : 'unit',
      scale,
    );
  const mean = statistic('mean', 0);
  const std = statistic('std', 1);
  for (const [name, values] of [['mean', mean] as const, ['std', std] as const])
    if (channels !== undefined && values.length !== channels)
      faults.push({
        field: `preprocessing.${name}`,
        message: `has ${values.length} values, but the input has ${channels} channels; give one a channel`,
      });

  if (faults.length === 0) {
    const parsed = Preprocessing.safeParse({ height, width, channels, layout, dtype, scale, mean, std });
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues)
      faults.push({ field: ['preprocessing', ...issue.path.map(String)].join('.'), message: issue.message });
  }
  const text = faults.map(({ field, message }) => `${field} ${message}`).join('. ');
  throw new ProblemError(
    'invalid-model',
    `How images become input "${input.name}" (${describeValue(input)}) is not clear. ${text}.`,
    faults,
  );
}

/** @throws ProblemError where the input is no batch of images */
function imageBatchShape(input: ValueInfo): (number | string | null)[] {
  if (!INPUT_TYPES.some((type) => type === input.type))
    throw new ProblemError(
      'invalid-model',
      `Input "${input.name}" takes ${describeValue(input)}, which is not an image batch: images are ${INPUT_TYPES.join(', ')}. Give an image model.`,
    );
  if (input.shape?.length !== 4)
    throw new ProblemError(
      'invalid-model',
      `Input "${input.name}" takes ${describeValue(input)}, which is not an image batch: that has four dimensions, [N, C, H, W] or [N, H, W, C]. Give an image model, exported with its batch dimension.`,
    );
  return input.shape;
}

function layoutOf(input: ValueInfo, shape: (number | string | null)[], faults: Faults): Layout | undefined {
  const isImage = (size: number | string | null | undefined) => size === 1 || size === 3;
  const first = isImage(shape[AXES.nchw.channels]);
  const last = isImage(shape[AXES.nhwc.channels]);
  if (first !== last) return first ? 'nchw' : 'nhwc';
  if (!first && typeof shape[1] === 'number' && typeof shape[3] === 'number')
    throw new ProblemError(
      'invalid-model',
      `Input "${input.name}" takes ${describeValue(input)}: neither its second nor its last dimension is 1 or 3 channels. Only grey and colour images can be fed.`,
    );
  faults.push({
    field: 'preprocessing.layout',
    message: 'cannot be read from the model; give "nchw" or "nhwc"',
  });
  return undefined;
}

function resolve(
  name: 'channels' | 'height' | 'width',
  { given, fixed, metadata }: Sources,
  faults: Faults,
): number | undefined {
  const field = `preprocessing.${name}`;
  if (typeof fixed === 'number') {
    if (given !== undefined && given !== fixed)
      faults.push({ field, message: `is ${given}, but the model's input is fixed at ${fixed}` });
    else if (name === 'channels' && fixed !== 1 && fixed !== 3)
      faults.push({ field, message: `is ${fixed} in the model's input; only 1 and 3 can be fed` });
    return fixed;
  }
  const value = given ?? metadata;
  if (value === undefined)
    faults.push({
      field,
      message: `cannot be read from the model, whose input takes any; give ${name === 'channels' ? '1 or 3' : 'the size in pixels that it was trained at'}`,
    });
  return value;
}

/** The model normalises bytes itself; a mean subtracted before would be rounded to bytes again. */
function refuseNormalisation(given: Partial<Preprocessing>, faults: Faults): void {
  const message =
    'cannot be applied: the input takes bytes, so the model has to normalise them itself; leave it out';
  if (given.mean?.some((value) => value !== 0)) faults.push({ field: 'preprocessing.mean', message });
  if (given.std?.some((value) => value !== 1)) faults.push({ field: 'preprocessing.std', message });
  if (given.scale === 'unit') faults.push({ field: 'preprocessing.scale', message });
}

/** ImageNet's statistics in [0, 1]; their average for grey images. */
function imagenet(name: 'mean' | 'std', channels: number | undefined): number[] {
  const values = IMAGENET[name];
  return channels === 1 ? [values.reduce((sum, value) => sum + value, 0) / values.length] : values;
}

function inScale(values: number[], from: Preprocessing['scale'], to: Preprocessing['scale']): number[] {
  if (from === to) return values;
  return values.map((value) => (to === 'byte' ? value * 255 : value / 255));
}

function readMetadata(metadata: ReadonlyMap<string, string>, faults: Faults): Partial<Preprocessing> {
  const read: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(METADATA)) {
    const text = metadata.get(key);
    if (text === undefined) continue;
    const parsed = Preprocessing.shape[name as keyof typeof METADATA].safeParse(parseText(text));
    if (parsed.success) read[name] = parsed.data;
    else
      faults.push({
        field: `preprocessing.${name}`,
        message: `is not valid in the model's metadata (${key} = ${text.slice(0, 80)}); export the model again`,
      });
  }
  return read as Partial<Preprocessing>;
}

/** Numbers and lists are JSON, words stand as they are. */
function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
