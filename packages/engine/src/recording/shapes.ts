/** Shapes of the results of TF.js's ops, as its own kernels compute them. */
import type { Attributes } from '../graph/graph.js';
import { tf } from '../tf.js';

export interface Info {
  shape: number[];
  dtype: string;
}

export type Inference = (inputs: Info[], attributes: Attributes) => Info[];

const { backend_util, broadcast_util, slice_util, util } = tf;

export const sameAs =
  (index: number): Inference =>
  (inputs) => [{ shape: inputs[index]!.shape, dtype: inputs[index]!.dtype }];

export const broadcast =
  (dtype?: string): Inference =>
  ([a, b]) => [
    { shape: broadcast_util.assertAndGetBroadcastShape(a!.shape, b!.shape), dtype: dtype ?? a!.dtype },
  ];

/** Axes of a reduction, sorted and not negative. */
export function axesOf(shape: readonly number[], axis: unknown): number[] {
  return util
    .parseAxisParam((axis ?? shape.map((_, i) => i)) as number[], shape as number[])
    .sort((a, b) => a - b);
}

/** TF.js names the axes of Max otherwise than those of its other reductions. */
export function reducedAxes(shape: readonly number[], attributes: Attributes): number[] {
  return axesOf(shape, attributes.axis ?? attributes.reductionIndices);
}

export const reduction =
  (dtype?: (input: string) => string): Inference =>
  ([x], attributes) => {
    const axes = reducedAxes(x!.shape, attributes);
    const shape = attributes.keepDims
      ? x!.shape.map((side, i) => (axes.includes(i) ? 1 : side))
      : x!.shape.filter((_, i) => !axes.includes(i));
    return [{ shape, dtype: dtype?.(x!.dtype) ?? x!.dtype }];
  };

export const argReduction: Inference = ([x], { axis }) => {
  const [at] = axesOf(x!.shape, axis ?? 0);
  return [{ shape: x!.shape.filter((_, i) => i !== at), dtype: 'int32' }];
};

export const matMul: Inference = ([a, b], { transposeA, transposeB }) => {
  const rows = a!.shape.at(transposeA ? -1 : -2)!;
  const columns = b!.shape.at(transposeB ? -2 : -1)!;
  const batch = broadcast_util.assertAndGetBroadcastShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2));
  return [{ shape: [...batch, rows, columns], dtype: a!.dtype }];
};

export const reshape: Inference = ([x], { shape }) => [
  { shape: util.inferFromImplicitShape(shape as number[], util.sizeFromShape(x!.shape)), dtype: x!.dtype },
];

export const expandDims: Inference = ([x], { dim }) => {
  const shape = [...x!.shape];
  const at = dim as number;
  shape.splice(at < 0 ? shape.length + 1 + at : at, 0, 1);
  return [{ shape, dtype: x!.dtype }];
};

export const transposition: Inference = ([x], { perm }) => [
  { shape: (perm as number[]).map((axis) => x!.shape[axis]!), dtype: x!.dtype },
];

export const concat: Inference = (inputs, { axis }) => {
  const at = util.parseAxisParam(axis as number, inputs[0]!.shape)[0]!;
  return [
    {
      shape: backend_util.computeOutShape(
        inputs.map(({ shape }) => shape),
        at,
      ),
      dtype: inputs[0]!.dtype,
    },
  ];
};

export const pack: Inference = (inputs, { axis }) => {
  const shape = [...inputs[0]!.shape];
  const at = axis as number;
  shape.splice(at < 0 ? shape.length + 1 + at : at, 0, inputs.length);
  return [{ shape, dtype: inputs[0]!.dtype }];
};

export const unpack: Inference = ([x], { axis }) => {
  const at = (axis as number) < 0 ? x!.shape.length + (axis as number) : (axis as number);
  const shape = x!.shape.filter((_, i) => i !== at);
  return Array.from({ length: x!.shape[at]! }, () => ({ shape, dtype: x!.dtype }));
};

export const slice: Inference = ([x], { begin, size }) => {
  const [, sizes] = slice_util.parseSliceParams(
    { shape: x!.shape } as unknown as Parameters<typeof slice_util.parseSliceParams>[0],
    begin as number[],
    size as number[],
  );
  return [{ shape: sizes!, dtype: x!.dtype }];
};

export function stridedSliceInfo(shape: number[], attributes: Attributes) {
  const a = attributes as Record<string, number & number[]>;
  return slice_util.sliceInfo(
    shape,
    a.begin!,
    a.end!,
    a.strides!,
    a.beginMask!,
    a.endMask!,
    a.ellipsisMask!,
    a.newAxisMask!,
    a.shrinkAxisMask!,
  );
}

export const stridedSlice: Inference = ([x], attributes) => [
  { shape: stridedSliceInfo(x!.shape, attributes).finalShape, dtype: x!.dtype },
];

export const split: Inference = ([x], { numOrSizeSplits, axis }) => {
  const [at] = util.parseAxisParam(axis as number, x!.shape);
  const sizes = backend_util.prepareSplitSize(
    x as unknown as Parameters<typeof backend_util.prepareSplitSize>[0],
    numOrSizeSplits as number[],
    at!,
  );
  return sizes.map((size) => ({
    shape: x!.shape.map((side, i) => (i === at ? size : side)),
    dtype: x!.dtype,
  }));
};

export const pad: Inference = ([x], { paddings }) => [
  {
    shape: x!.shape.map((side, i) => {
      const [before, after] = (paddings as [number, number][])[i]!;
      return side + before + after;
    }),
    dtype: x!.dtype,
  },
];

export const tile: Inference = ([x], { reps }) => [
  { shape: x!.shape.map((side, i) => side * (reps as number[])[i]!), dtype: x!.dtype },
];

export const gather: Inference = ([x, indices], { axis, batchDims }) => {
  const [at] = util.parseAxisParam(axis as number, x!.shape);
  const skip = (batchDims as number | undefined) ?? 0;
  return [
    {
      shape: [...x!.shape.slice(0, at), ...indices!.shape.slice(skip), ...x!.shape.slice(at! + 1)],
      dtype: x!.dtype,
    },
  ];
};

/** tf.range counts down by itself where the step is left out. */
export function rangeStep(attributes: Attributes): number {
  const { start, stop, step } = attributes as { start: number; stop: number; step: number };
  return stop < start && step === 1 ? -1 : step;
}

export const range: Inference = (_, attributes) => {
  const { start, stop, dtype } = attributes as { start: number; stop: number; dtype?: string };
  const count = Math.max(0, Math.ceil((stop - start) / rangeStep(attributes)));
  return [{ shape: [count], dtype: dtype ?? 'float32' }];
};

export const gatherNd: Inference = ([x, indices]) => {
  const depth = indices!.shape.at(-1)!;
  return [{ shape: [...indices!.shape.slice(0, -1), ...x!.shape.slice(depth)], dtype: x!.dtype }];
};

export const depthToSpace: Inference = ([x], { blockSize }) => {
  const [images, height, width, channels] = x!.shape as [number, number, number, number];
  const side = blockSize as number;
  return [{ shape: [images, height * side, width * side, channels / side ** 2], dtype: x!.dtype }];
};

const times = (values: readonly number[]) => values.reduce((product, value) => product * value, 1);

export const spaceToBatch: Inference = ([x], attributes) => {
  const { blockShape, paddings } = attributes as { blockShape: number[]; paddings: [number, number][] };
  const [images, ...sides] = x!.shape as [number, ...number[]];
  const made = sides.map((side, i) => {
    const block = blockShape[i];
    return block === undefined ? side : (side + paddings[i]![0] + paddings[i]![1]) / block;
  });
  return [{ shape: [images * times(blockShape), ...made], dtype: x!.dtype }];
};

export const batchToSpace: Inference = ([x], attributes) => {
  const { blockShape, crops } = attributes as { blockShape: number[]; crops: [number, number][] };
  const [images, ...sides] = x!.shape as [number, ...number[]];
  const made = sides.map((side, i) => {
    const block = blockShape[i];
    return block === undefined ? side : side * block - crops[i]![0] - crops[i]![1];
  });
  return [{ shape: [images / times(blockShape), ...made], dtype: x!.dtype }];
};

/** Attributes of convolutions and pools, as TF.js hands them over. */
interface WindowAttributes {
  strides: number | [number, number];
  dilations?: number | [number, number];
  filterSize: number | [number, number];
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  dataFormat?: 'NHWC' | 'NCHW';
}

export function convInfo(
  x: readonly number[],
  filter: readonly number[],
  attributes: Attributes,
  depthwise = false,
) {
  const {
    strides,
    dilations,
    pad: padding,
    dimRoundingMode,
    dataFormat,
  } = attributes as unknown as WindowAttributes;
  const format = backend_util.convertConv2DDataFormat(dataFormat ?? 'NHWC');
  return backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    dilations ?? 1,
    padding,
    dimRoundingMode,
    depthwise,
    format,
  );
}

export function poolInfo(x: readonly number[], attributes: Attributes) {
  const { filterSize, strides, pad: padding, dimRoundingMode } = attributes as unknown as WindowAttributes;
  return backend_util.computePool2DInfo(
    x as [number, number, number, number],
    filterSize,
    strides,
    1,
    padding,
    dimRoundingMode,
  );
}

export const conv: Inference = ([x, filter], attributes) => [
  { shape: convInfo(x!.shape, filter!.shape, attributes).outShape, dtype: x!.dtype },
];
export const depthwise: Inference = ([x, filter], attributes) => [
  { shape: convInfo(x!.shape, filter!.shape, attributes, true).outShape, dtype: x!.dtype },
];
export const pool: Inference = ([x], attributes) => [
  { shape: poolInfo(x!.shape, attributes).outShape, dtype: x!.dtype },
];

/** The shape stands in the attribute of that name. */
export const given =
  (attribute: string): Inference =>
  ([x], attributes) => [{ shape: attributes[attribute] as number[], dtype: x!.dtype }];

export const select: Inference = ([, t]) => [{ shape: t!.shape, dtype: t!.dtype }];

export const topK: Inference = ([x], { k }) => {
  const shape = [...x!.shape.slice(0, -1), k as number];
  return [
    { shape, dtype: x!.dtype },
    { shape, dtype: 'int32' },
  ];
};

export const oneHot: Inference = ([indices], { depth, dtype }) => [
  { shape: [...indices!.shape, depth as number], dtype: (dtype as string | undefined) ?? 'int32' },
];

export const einsum: Inference = (inputs, { equation }) => {
  const { allDims, idDims } = backend_util.decodeEinsumEquation(equation as string, inputs.length);
  const [left = '', right = ''] = (equation as string).replace(/\s/g, '').split('->');
  const side = new Map<string, number>();
  left.split(',').forEach((letters, i) => {
    [...letters].forEach((letter, axis) => {
      side.set(letter, inputs[i]!.shape[axis]!);
    });
  });
  backend_util.checkEinsumDimSizes(
    allDims.length,
    idDims,
    inputs as unknown as Parameters<typeof backend_util.checkEinsumDimSizes>[2],
  );
  return [{ shape: [...right].map((letter) => side.get(letter)!), dtype: inputs[0]!.dtype }];
};

export const resize: Inference = ([x], { size }) => {
  const [height, width] = size as [number, number];
  return [{ shape: [x!.shape[0]!, height, width, x!.shape[3]!], dtype: 'float32' }];
};
