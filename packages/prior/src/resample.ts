/**
 * Bilinear resampling of an axis with antialiasing, as Pillow and torchvision do it: when it shrinks, the triangle widens
 * with the scale, so that every source pixel counts. Priors were trained on images resized in this way.
 */
import { readFileSync } from 'node:fs';

/** How each output position is made of source positions. */
export interface Taps {
  /** First source position of each output position. */
  first: Int32Array;
  /** Number of source positions that each output position reads. */
  count: Int32Array;
  /** [outputs, stride]: their weights, which sum to 1. */
  weights: Float32Array;
  stride: number;
}

/**
 * @param source length of the axis before
 * @param resized length of the axis after
 * @param from first output position that is kept (a crop)
 * @param kept number of output positions that are kept
 */
export function triangleTaps(source: number, resized: number, from: number, kept: number): Taps {
  const scale = source / resized;
  const support = Math.max(scale, 1);
  const stride = Math.ceil(support) * 2 + 1;
  const taps: Taps = {
    first: new Int32Array(kept),
    count: new Int32Array(kept),
    weights: new Float32Array(kept * stride),
    stride,
  };
  for (let index = 0; index < kept; index++) {
    const centre = (from + index + 0.5) * scale;
    const first = Math.max(Math.floor(centre - support + 0.5), 0);
    const end = Math.min(Math.floor(centre + support + 0.5), source);
    const raw = Array.from({ length: end - first }, (_, tap) =>
      Math.max(0, 1 - Math.abs(first + tap - centre + 0.5) / support),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    taps.first[index] = first;
    taps.count[index] = raw.length;
    for (const [tap, weight] of raw.entries()) taps.weights[index * stride + tap] = weight / sum;
  }
  return taps;
}

interface Kernels {
  memory: { buffer: ArrayBuffer; grow(pages: number): number };
  narrowColour: Narrow;
  narrowGrey: Narrow;
  sumRows(
    source: number,
    rowBytes: number,
    bytes: number,
    taps: number,
    weights: number,
    scale: number,
    shift: number,
    into: number,
  ): void;
}
type Narrow = (
  source: number,
  first: number,
  count: number,
  weights: number,
  stride: number,
  kept: number,
  into: number,
) => void;

/** Of the types, only those of browsers know it. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
};

/** `assembly/resample.ts`, as the build makes it, whether this file runs from `src` or from `dist`. */
const compiled = new WebAssembly.Module(readFileSync(new URL('../dist/resample.wasm', import.meta.url)));

const PAGE = 2 ** 16;
/** What lies below belongs to the compiler. */
const BASE = 1024;
/** Rows are read and written in vectors of this many bytes. */
const VECTOR = 16;

/** What is the same for every image of one size. */
export interface ResamplingPlan {
  /** Of the source. */
  width: number;
  channels: 1 | 3;
  columns: Taps;
  rows: Taps;
  /** Source rows that any output row reads. */
  top: number;
  bottom: number;
}

/** Resamples images of one size after the other. Memory is kept from image to image and grows to the largest one. */
export class Resampler {
  private readonly kernels = new WebAssembly.Instance(compiled, {}).exports as unknown as Kernels;
  private plan: ResamplingPlan | null = null;
  /** Places in memory, in bytes. */
  private readonly at = { first: 0, count: 0, weights: 0, rowWeights: 0, source: 0, line: 0, narrowed: 0 };
  private source = new Uint8Array();
  private line = new Float32Array();

  /** Lays the memory out for images of another size. */
  prepare(plan: ResamplingPlan): void {
    const { columns, rows, width, channels, top, bottom } = plan;
    const kept = columns.first.length;
    const lineBytes = 4 * channels * kept;
    const sizes = {
      first: columns.first.byteLength,
      count: columns.count.byteLength,
      weights: columns.weights.byteLength,
      rowWeights: rows.weights.byteLength,
      source: width * channels,
      line: lineBytes,
      narrowed: (bottom - top) * lineBytes,
    };
    let end = BASE;
    for (const [name, bytes] of Object.entries(sizes)) {
      this.at[name as keyof typeof sizes] = end;
      // The last vector of each may reach behind it.
      end += VECTOR * (Math.ceil(bytes / VECTOR) + 1);
    }
    const { memory } = this.kernels;
    if (end > memory.buffer.byteLength) memory.grow(Math.ceil((end - memory.buffer.byteLength) / PAGE));
    const { buffer } = memory;
    new Int32Array(buffer, this.at.first).set(columns.first.map((pixel) => pixel * channels));
    new Int32Array(buffer, this.at.count).set(columns.count);
    new Float32Array(buffer, this.at.weights).set(columns.weights);
    new Float32Array(buffer, this.at.rowWeights).set(rows.weights);
    this.source = new Uint8Array(buffer, this.at.source, sizes.source);
    this.line = new Float32Array(buffer, this.at.line, channels * kept);
    this.plan = plan;
  }

  /**
   * The horizontal pass: bytes [h, width, channels] become floats [bottom − top, channels, kept]. Colours lie apart from here on, so
   * that what follows reads and writes runs of memory.
   */
  narrow(data: Uint8Array): void {
    const { width, channels, columns, top, bottom } = this.plan!;
    const { source, first, count, weights, narrowed } = this.at;
    const kept = columns.first.length;
    const narrow = channels === 3 ? this.kernels.narrowColour : this.kernels.narrowGrey;
    for (let row = top; row < bottom; row++) {
      const start = row * width * channels;
      this.source.set(data.subarray(start, start + width * channels));
      const into = narrowed + (row - top) * 4 * channels * kept;
      narrow(source, first, count, weights, columns.stride, kept, into);
    }
  }

  /**
   * The vertical pass for one output row, as value · scale + shift: [channels, kept], in memory that the next row is written to.
   * @param scale and shift, a channel
   */
  row(row: number, { scale, shift }: { scale: readonly number[]; shift: readonly number[] }): Float32Array {
    const { channels, rows, top } = this.plan!;
    const { narrowed, rowWeights, line } = this.at;
    const rowBytes = this.line.byteLength;
    const bytes = rowBytes / channels;
    const from = narrowed + (rows.first[row]! - top) * rowBytes;
    const weights = rowWeights + 4 * row * rows.stride;
    // In this order: what is written behind one channel is the start of the next one.
    for (let channel = 0; channel < channels; channel++)
      this.kernels.sumRows(
        from + channel * bytes,
        rowBytes,
        bytes,
        rows.count[row]!,
        weights,
        scale[channel]!,
        shift[channel]!,
        line + channel * bytes,
      );
    return this.line;
  }
}
