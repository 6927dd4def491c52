/** Mean and standard deviation a channel, exactly: counts of each of the 256 values, so nothing is rounded until the end. */
import type { DecodedImage } from '../image.js';

const VALUES = 256;

export class PixelStatistics {
  /** Of grey images. */
  readonly #grey = new Float64Array(VALUES);
  /** [3, 256], of colour images. */
  readonly #colour = new Float64Array(3 * VALUES);

  add({ data, channels }: DecodedImage): void {
    const counts = channels === 1 ? this.#grey : this.#colour;
    if (channels === 1) for (const value of data) counts[value]!++;
    else
      for (let index = 0; index < data.length; index += 3)
        for (let channel = 0; channel < 3; channel++) counts[VALUES * channel + data[index + channel]!]!++;
  }

  /** Of values scaled to [0, 1]; a grey image counts in every channel. Where a channel has no variance, its std is 1, so that normalising leaves it at 0. */
  result(channels: 1 | 3): { mean: number[]; std: number[] } {
    const mean: number[] = [];
    const std: number[] = [];
    for (let channel = 0; channel < channels; channel++) {
      const counts = this.#grey.map((count, value) => count + this.#colour[VALUES * channel + value]!);
      const total = counts.reduce((sum, count) => sum + count, 0);
      const average = counts.reduce((sum, count, value) => sum + count * value, 0) / total / 255;
      const variance =
        counts.reduce((sum, count, value) => sum + count * (value / 255 - average) ** 2, 0) / total;
      mean.push(average);
      std.push(variance > 0 ? Math.sqrt(variance) : 1);
    }
    return { mean, std };
  }
}
