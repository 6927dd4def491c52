/** For tests: the table of the README that says which kernels of TF.js are covered, and why the others are not. */
import * as ops from '../ops/index.js';
import { COUNTER_UNIFORM } from '../ops/random.js';
import { RECORDED } from '../recording/kernels.js';
import { tf } from '../tf.js';
import type { OpCase } from './op-case.js';

/** TF.js exports each name as a constant of that name. */
export const KERNEL_NAMES: readonly string[] = Object.entries(tf)
  .filter(([name, value]) => name === value)
  .map(([name]) => name);

export const UNCOVERED: Readonly<Record<string, { kernels: string; why: string }>> = {
  composed: {
    kernels: 'BroadcastArgs BroadcastTo Diag LogicalXor LogSoftmax MatrixBandPart Pool',
    why: 'TF.js 4.22 makes them of other kernels, or has no function that runs them; the functions of these names can be recorded where there are such, but `tf.diag`, for which multiply by `tf.eye`',
  },
  volumes: {
    kernels:
      'AvgPool3D AvgPool3DGrad Conv3D Conv3DBackpropFilterV2 Conv3DBackpropInputV2 MaxPool3D MaxPool3DGrad',
    why: 'volumes and films, not images',
  },
  complex: { kernels: 'Complex ComplexAbs FFT IFFT Imag Real', why: 'complex numbers' },
  detection: {
    kernels: 'CropAndResize NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5',
    why: 'boxes of detectors, most of a size that depends on the data',
  },
  views: {
    kernels: 'Draw FromPixels RotateWithOffset Transform',
    why: 'images are decoded and turned before the step',
  },
  morphology: {
    kernels: 'Dilation2D Dilation2DBackpropFilter Dilation2DBackpropInput',
    why: 'no network in use has them',
  },
  sizes: {
    kernels:
      'RaggedGather RaggedRange RaggedTensorToTensor SparseFillEmptyRows SparseReshape SparseSegmentMean SparseSegmentSum Unique',
    why: 'sizes that depend on the data, or ragged and sparse tensors',
  },
  text: { kernels: 'StaticRegexReplace StringNGrams StringSplit StringToHashBucketFast', why: 'text' },
  otherwise: {
    kernels: 'Bincount DenseBincount LowerBound MaxPoolWithArgmax SearchSorted SparseToDense UpperBound',
    why: 'write them with sums of `tf.oneHot`, comparisons, or `ops.scatterNd`',
  },
  random: {
    kernels: 'Multinomial',
    why: 'draws in the dark; add Gumbel noise made of `ops.randomUniform` and take `tf.argMax`',
  },
};

const START = '<!-- The table is written by op-coverage.test.ts -->';
const END = '<!-- End of the table -->';

/** Cells are padded, as the formatter of this repository wants tables. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join(
    '\n',
  );
}

/** @param differentiated whether a case takes a gradient through the kernel */
export function coverageTable({
  cases,
  differentiated,
}: {
  cases: readonly OpCase[];
  differentiated: (kernel: string) => boolean;
}): string {
  const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ') || '–';
  const kernels = RECORDED.filter((name) => name !== COUNTER_UNIFORM).sort();
  const hasGradient = (name: string) => tf.getGradient(name) !== undefined && tf.getGradient(name) !== null;
  const both = kernels.filter((name) => hasGradient(name) && differentiated(name));
  const forward = kernels.filter((name) => hasGradient(name) && !differentiated(name));
  const without = kernels.filter((name) => !hasGradient(name));
  const named = new Set(cases.flatMap(({ covers }) => covers.split(' ')));
  const own = Object.keys(ops).sort();
  return [
    `Of the ${KERNEL_NAMES.length} kernels of TF.js 4.22, ${kernels.length} run compiled, each compared with TF.js's CPU backend.`,
    table(
      ['what is compared', 'kernels of TF.js'],
      [
        ['forward, and the gradient through it', code(both)],
        ['forward alone, though TF.js has a gradient', code(forward)],
        ['forward; TF.js has no gradient', code(without)],
      ],
    ),
    table(
      ['op of `ops`', 'compared'],
      own.map((name) => [`\`${name}\``, named.has(name) ? 'forward and gradient' : 'in a test of its own']),
    ),
    table(
      ['not covered', 'why'],
      Object.values(UNCOVERED).map(({ kernels: names, why }) => [code(names.split(' ')), why]),
    ),
  ].join('\n\n');
}

/** The page with the table between its marks. @throws Error where the marks are gone */
export function withTable(page: string, written: string): string {
  const [from, to] = [page.indexOf(START), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`The README lacks the lines "${START}" and "${END}".`);
  return `${page.slice(0, from + START.length)}\n\n${written}\n\n${page.slice(to)}`;
}
