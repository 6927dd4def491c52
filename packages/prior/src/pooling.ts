/**
 * From a prior's output to one row an image: feature maps are averaged over their positions (method.md, section 1, step 2),
 * token sequences over their tokens, the class token included.
 */
import type { Preprocessing } from '@rela/contracts';

/** Which axis of the output holds the m features, and whether the others are averaged away. */
export interface OutputForm {
  featureAxis: number;
  width: number;
  pool: boolean;
}

/**
 * [N, m] as it is, [N, tokens, m], [N, C, H, W] or [N, H, W, C]. Of a feature map, the two axes whose ratio is the input's
 * are its positions; the input's own layout decides where both pairs fit. Null for any other rank.
 */
export function outputForm(
  dims: readonly number[],
  { height, width, layout }: Preprocessing,
): OutputForm | null {
  switch (dims.length) {
    case 2:
      return { featureAxis: 1, width: dims[1]!, pool: false };
    case 3:
      return { featureAxis: 2, width: dims[2]!, pool: true };
    case 4: {
      const ratio = Math.log(height / width);
      const first = Math.abs(Math.log(dims[2]! / dims[3]!) - ratio);
      const last = Math.abs(Math.log(dims[1]! / dims[2]!) - ratio);
      const featureAxis = first < last || (first === last && layout === 'nchw') ? 1 : 3;
      return { featureAxis, width: dims[featureAxis]!, pool: true };
    }
    default:
      return null;
  }
}

/**
 * Rows [count, m] of the first `count` images of an output.
 * @param data the output, of shape `dims`
 */
export function toRows(
  data: Float32Array,
  dims: readonly number[],
  form: OutputForm,
  count: number,
): Float32Array {
  const { featureAxis, width, pool } = form;
  if (!pool) return data.length === count * width ? data : data.slice(0, count * width);
  const positions = dims.slice(1).reduce((product, size) => product * size, 1) / width;
  const [step, stride] = featureAxis === 1 ? [1, positions] : [width, 1];
  const rows = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    for (let feature = 0; feature < width; feature++) {
      const start = row * positions * width + feature * stride;
      let sum = 0;
      for (let position = 0; position < positions; position++) sum += data[start + position * step]!;
      rows[row * width + feature] = sum / positions;
    }
  }
  return rows;
}
