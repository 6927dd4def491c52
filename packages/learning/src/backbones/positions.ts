/** Positions of patches: learned ones for images of another size, and fixed ones. */
import { tf } from '@rela/engine';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';

/** a of Keys' cubic kernel (1981), as PyTorch's bicubic interpolation has it. */
const SHARPNESS = -0.75;

/** Keys' cubic kernel at a distance in pixels. */
function cubic(distance: number): number {
  const [a, x] = [SHARPNESS, Math.abs(distance)];
  if (x <= 1) return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1;
  if (x < 2) return a * (x ** 3 - 5 * x ** 2 + 8 * x - 4);
  return 0;
}

/** Weights [to, from] that resample a row of `from` values bicubically to `to`, its ends repeated; centres of pixels are aligned. */
function resampling(from: number, to: number): Float64Array[] {
  return Array.from({ length: to }, (_, target) => {
    const weights = new Float64Array(from);
    const source = ((target + 0.5) * from) / to - 0.5;
    for (let tap = Math.floor(source) - 1; tap <= Math.floor(source) + 2; tap++)
      weights[Math.min(Math.max(tap, 0), from - 1)]! += cubic(source - tap);
    return weights;
  });
}

/**
 * Learned positions [1, from², width] of a grid of patches for a grid of another side, bicubically, as DINO does (Caron et al. 2021,
 * the authors' code) → [1, to², width]
 */
export function interpolatedPositions(positions: Tensor3D, from: number, to: number): Tensor3D {
  if (from === to) return positions;
  const along = resampling(from, to);
  const matrix = new Float32Array(to * to * from * from);
  let place = 0;
  for (const row of along)
    for (const column of along)
      for (let y = 0; y < from; y++) for (let x = 0; x < from; x++) matrix[place++] = row[y]! * column[x]!;
  const width = positions.shape[2];
  const flat: Tensor2D = tf.reshape(positions, [from * from, width]);
  return tf.reshape(tf.matMul(tf.tensor2d(matrix, [to * to, from * from]), flat), [1, to * to, width]);
}

/**
 * Fixed positions of a grid of side × side patches (Vaswani et al. 2017, section 3.5, for each axis half of the width): sines and cosines
 * of the column, then of the row, at frequencies 10000^(−i / (width/4)) → [side², width]
 * @param width a multiple of 4
 */
export function sinusoidalPositions(side: number, width: number): Float32Array {
  const quarter = width / 4;
  const table = new Float32Array(side * side * width);
  for (let place = 0; place < side * side; place++)
    for (const [half, position] of [place % side, Math.floor(place / side)].entries())
      for (let index = 0; index < quarter; index++) {
        const angle = position / 10000 ** (index / quarter);
        const at = place * width + 2 * half * quarter + index;
        table[at] = Math.sin(angle);
        table[at + quarter] = Math.cos(angle);
      }
  return table;
}
