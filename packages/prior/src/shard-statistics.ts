/**
 * What a shard tells the PCA: count, mean and second moment about the mean, in float64. They add up over shards in any
 * grouping (Chan, Golub, LeVeque 1979); moments about the mean lose no digits where embeddings lie far from 0.
 */
import { ProblemError } from '@rela/contracts';
import { multiply } from './products.js';

/** Rows that are centred and multiplied at once. */
const CHUNK = 256;

export class ShardStatistics {
  private rows = 0;
  /** [m] */
  readonly mean: Float64Array;
  /** [m, m], of which the upper triangle counts. */
  private readonly moment: Float64Array;

  private constructor(
    /** m */
    readonly width: number,
  ) {
    this.mean = new Float64Array(width);
    this.moment = new Float64Array(width * width);
  }

  /** @param width m: floats an embedding */
  static empty(width: number): ShardStatistics {
    if (!Number.isInteger(width) || width < 1)
      throw new RangeError(`Embeddings of width ${width} have no statistics.`);
    return new ShardStatistics(width);
  }

  get count(): number {
    return this.rows;
  }

  /** One call after the other. @param rows embeddings [n, m], finite */
  async add(rows: Float32Array): Promise<void> {
    const { width, moment } = this;
    if (rows.length % width !== 0)
      throw new RangeError(`${rows.length} values are not rows of ${width}; embeddings have another width.`);
    const count = rows.length / width;
    const centred = new Float64Array(width * Math.min(CHUNK, count));
    for (let from = 0; from < count; from += CHUNK) {
      const length = Math.min(CHUNK, count - from);
      const chunk = rows.subarray(from * width, (from + length) * width);
      const mean = meanOf(chunk, width);
      for (let row = 0; row < length; row++)
        for (let feature = 0; feature < width; feature++)
          centred[row * width + feature] = chunk[row * width + feature]! - mean[feature]!;
      const matrix = { data: centred.subarray(0, length * width), rows: length, columns: width };
      await multiply(matrix, matrix, { transposeLeft: true, into: moment, add: true });
      this.moveMean(mean, length);
    }
  }

  /** Adds what another shard counted. */
  merge(other: ShardStatistics): void {
    if (other.width !== this.width)
      throw new RangeError(`Statistics of width ${other.width} do not add to those of width ${this.width}.`);
    for (let index = 0; index < this.moment.length; index++)
      this.moment[index] = this.moment[index]! + other.moment[index]!;
    this.moveMean(other.mean, other.rows);
  }

  /** Covariance [m, m], both triangles: the second moment over n − 1; zeros for one image. */
  covariance(): Float64Array {
    const { width, moment } = this;
    const divisor = Math.max(this.rows - 1, 1);
    const covariance = new Float64Array(width * width);
    for (let row = 0; row < width; row++)
      for (let column = row; column < width; column++) {
        const value = moment[row * width + column]! / divisor;
        covariance[row * width + column] = value;
        covariance[column * width + row] = value;
      }
    return covariance;
  }

  /** Little-endian float64: count, mean [m], the second moment's upper triangle [m·(m + 1)/2] row by row. */
  toBytes(): Uint8Array {
    const { width } = this;
    const values = new Float64Array(1 + width + (width * (width + 1)) / 2);
    values[0] = this.rows;
    values.set(this.mean, 1);
    let at = 1 + width;
    for (let row = 0; row < width; row++) {
      values.set(this.moment.subarray(row * width + row, row * width + width), at);
      at += width - row;
    }
    return new Uint8Array(values.buffer);
  }

  /** @throws ProblemError `invalid-data` where the bytes are not what `toBytes` wrote */
  static fromBytes(bytes: Uint8Array): ShardStatistics {
    const values = new Float64Array(bytes.slice().buffer, 0, Math.floor(bytes.length / 8));
    // 1 + m + m(m + 1)/2 values, solved for m.
    const width = Math.round((Math.sqrt(9 + 8 * (values.length - 1)) - 3) / 2);
    const count = values[0];
    const fits = width >= 1 && bytes.length === 8 * (1 + width + (width * (width + 1)) / 2);
    if (!fits || !Number.isInteger(count) || count! < 0 || !values.every(Number.isFinite))
      throw new ProblemError(
        'invalid-data',
        `${bytes.length} bytes are not the statistics of a shard. Compute the embed stage again.`,
      );
    const statistics = new ShardStatistics(width);
    statistics.rows = count!;
    statistics.mean.set(values.subarray(1, 1 + width));
    let at = 1 + width;
    for (let row = 0; row < width; row++) {
      const { moment } = statistics;
      moment.set(values.subarray(at, at + width - row), row * width + row);
      at += width - row;
    }
    return statistics;
  }

  /** Takes in `count` rows about their own mean, whose second moment is in already. */
  private moveMean(mean: Float64Array, count: number): void {
    if (count === 0) return;
    const total = this.rows + count;
    const weight = (this.rows * count) / total;
    const shift = mean.map((value, feature) => value - this.mean[feature]!);
    if (this.rows > 0)
      for (let row = 0; row < this.width; row++) {
        const factor = weight * shift[row]!;
        const start = row * this.width;
        for (let column = row; column < this.width; column++)
          this.moment[start + column] = this.moment[start + column]! + factor * shift[column]!;
      }
    for (let feature = 0; feature < this.width; feature++)
      this.mean[feature] = this.mean[feature]! + (shift[feature]! * count) / total;
    this.rows = total;
  }
}

function meanOf(rows: Float32Array, width: number): Float64Array {
  const mean = new Float64Array(width);
  const count = rows.length / width;
  for (let row = 0; row < count; row++)
    for (let feature = 0; feature < width; feature++)
      mean[feature] = mean[feature]! + rows[row * width + feature]!;
  return mean.map((sum) => sum / count);
}
