/**
 * The matrices of Winograd's minimal filtering F(m × m, 3 × 3): Lavin and Gray, "Fast Algorithms for Convolutional Neural
 * Networks" (CVPR 2016), sections 4.1 to 4.3, and what they are along one axis of a whole map. A tile of m outputs takes
 * a = m + 2 inputs: y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A.
 */

/** Outputs of a tile along an axis. */
export type TileSize = 2 | 4;

interface Matrices {
  /** Bᵀ [a, a] */
  input: readonly (readonly number[])[];
  /** G [a, 3] */
  filter: readonly (readonly number[])[];
  /** Aᵀ [m, a] */
  output: readonly (readonly number[])[];
}

const MATRICES: Record<TileSize, Matrices> = {
  2: {
    input: [
      [1, 0, -1, 0],
      [0, 1, 1, 0],
      [0, -1, 1, 0],
      [0, 1, 0, -1],
    ],
    filter: [
      [1, 0, 0],
      [1 / 2, 1 / 2, 1 / 2],
      [1 / 2, -1 / 2, 1 / 2],
      [0, 0, 1],
    ],
    output: [
      [1, 1, 1, 0],
      [0, 1, -1, -1],
    ],
  },
  4: {
    input: [
      [4, 0, -5, 0, 1, 0],
      [0, -4, -4, 1, 1, 0],
      [0, 4, -4, -1, 1, 0],
      [0, -2, -1, 2, 1, 0],
      [0, 2, -1, -2, 1, 0],
      [0, 4, 0, -5, 0, 1],
    ],
    filter: [
      [1 / 4, 0, 0],
      [-1 / 6, -1 / 6, -1 / 6],
      [-1 / 6, 1 / 6, -1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [1 / 24, -1 / 12, 1 / 6],
      [0, 0, 1],
    ],
    output: [
      [1, 1, 1, 1, 1, 0],
      [0, 1, -1, 2, -2, 0],
      [0, 1, 1, 4, 4, 0],
      [0, 1, -1, 8, -8, 1],
    ],
  },
};

/** Places of a tile along an axis: m + 2. */
export const placesOf = (m: TileSize): number => m + 2;

/** Tiles along an axis of `length`; the last one may reach beyond it. */
export const tilesOf = (m: TileSize, length: number): number => Math.ceil(length / m);

/**
 * What leads from an axis of a map to its tiles, [a, tiles, length]: Bᵀ on each tile's inputs, with the padding by one folded
 * in ('input'), or A on each tile's outputs ('output'), which is the way of a gradient. The transposed matrix leads back.
 */
export function axisMatrix(kind: 'input' | 'output', m: TileSize, length: number): Float32Array {
  const { input, output } = MATRICES[m];
  const [places, tiles] = [placesOf(m), tilesOf(m, length)];
  const matrix = new Float32Array(places * tiles * length);
  const set = (place: number, tile: number, at: number, value: number) => {
    if (at >= 0 && at < length) matrix[(place * tiles + tile) * length + at] = value;
  };
  for (let tile = 0; tile < tiles; tile++)
    for (let place = 0; place < places; place++)
      if (kind === 'input')
        for (let tap = 0; tap < places; tap++) set(place, tile, m * tile - 1 + tap, input[place]![tap]!);
      else for (let made = 0; made < m; made++) set(place, tile, m * tile + made, output[made]![place]!);
  return matrix;
}

/** Aᵀ [m, a]: from the places of a tile along an axis to its outputs. */
export const outputMatrix = (m: TileSize): Float32Array => Float32Array.from(MATRICES[m].output.flat());

/** G ⊗ G: from the nine taps of a filter to its a² places, [a², 9]. */
export function filterMatrix(m: TileSize): Float32Array {
  const { filter } = MATRICES[m];
  return Float32Array.from(
    filter.flatMap((row) => filter.flatMap((column) => row.flatMap((r) => column.map((c) => r * c)))),
  );
}
