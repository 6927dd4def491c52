/**
 * Winograd's transforms (`graph/winograd.ts`) as products with constant matrices over NHWC: of a map of few tiles with one dense
 * matrix, of a larger one axis by axis. The rows are then put in the order in which places meet: [a², tiles, channels].
 */

import type { TileAttributes } from '../../graph/winograd.js';
import { axisMatrix, filterMatrix, placesOf, tilesOf } from '../../graph/winograd-matrices.js';
import { move } from '../movement.js';
import { type Context, define, input, type Lowering, output } from './context.js';

/** Up to this many tiles a side one dense matrix is faster than two products. */
const DENSE_TILES = 2;

interface Axes {
  /** a */
  places: number;
  /** Tiles along the height and the width. */
  down: number;
  across: number;
  isDense: boolean;
  channels: number;
}

function axesOf({ m, height, width }: TileAttributes, channels: number): Axes {
  const [down, across] = [tilesOf(m, height), tilesOf(m, width)];
  return { places: placesOf(m), down, across, isDense: Math.max(down, across) <= DENSE_TILES, channels };
}

function transposed(matrix: Float32Array, rows: number): Float32Array {
  const columns = matrix.length / rows;
  return Float32Array.from(matrix, (_, at) => matrix[(at % rows) * columns + Math.floor(at / rows)]!);
}

/** Rows (place down, place across, tile down, tile across), columns (row, column) of the map. */
function denseMatrix(
  { matrix, m, height, width }: TileAttributes,
  { places, down, across }: Axes,
): Float32Array {
  const [vertical, horizontal] = [axisMatrix(matrix, m, height), axisMatrix(matrix, m, width)];
  const dense = new Float32Array(places * places * down * across * height * width);
  let at = 0;
  for (let a = 0; a < places; a++)
    for (let b = 0; b < places; b++)
      for (let t = 0; t < down; t++)
        for (let u = 0; u < across; u++)
          for (let row = 0; row < height; row++)
            for (let column = 0; column < width; column++)
              dense[at++] =
                vertical[(a * down + t) * height + row]! * horizontal[(b * across + u) * width + column]!;
  return dense;
}

function constant({ builder }: Context, data: Float32Array, rows: number): string {
  return builder.constant({ dtype: 'float32', dims: [rows, data.length / rows], data });
}

function reshape({ builder }: Context, name: string, sides: number[]): string {
  return builder.emit('Reshape', [name, builder.ints(sides)]);
}

function permute(context: Context, name: string, sides: number[], perm: number[]): string {
  const { builder, block } = context;
  return move(
    builder,
    reshape(context, name, sides),
    { sides, perm },
    { block: block ?? 1, dtype: 'float32' },
  );
}

/** [N, H, W, C] → [a², tiles, C] */
const toTiles: Lowering = (node, context) => {
  const attributes = node.attributes as unknown as TileAttributes;
  const { matrix, m, images, height, width } = attributes;
  const x = input(node, 0);
  const axes = axesOf(attributes, x.shape[3]!);
  const { places, down, across, channels } = axes;
  const product = (left: string, right: string) => context.builder.emit('MatMul', [left, right]);
  const map = context.forms.use(x);
  let moved: string;
  if (axes.isDense) {
    const dense = constant(context, denseMatrix(attributes, axes), places * places * down * across);
    const rows = product(dense, reshape(context, map, [images, height * width, channels]));
    moved = permute(context, rows, [images, places * places, down * across * channels], [1, 0, 2]);
  } else {
    const vertical = constant(context, axisMatrix(matrix, m, height), places * down);
    const horizontal = constant(context, axisMatrix(matrix, m, width), places * across);
    const tall = product(vertical, reshape(context, map, [images, height, width * channels]));
    const rows = product(horizontal, reshape(context, tall, [images * places * down, width, channels]));
    moved = permute(context, rows, [images, places, down, places, across, channels], [1, 3, 0, 2, 4, 5]);
  }
  define(context, node, reshape(context, moved, [...output(node).shape]));
};

/** [a², tiles, C] → [N, H, W, C], by the transposed matrices */
const toMap: Lowering = (node, context) => {
  const attributes = node.attributes as unknown as TileAttributes;
  const { matrix, m, images, height, width } = attributes;
  const tiles = input(node, 0);
  const axes = axesOf(attributes, tiles.shape[2]!);
  const { places, down, across, channels } = axes;
  const product = (left: string, right: string) => context.builder.emit('MatMul', [left, right]);
  const rows = context.forms.use(tiles);
  let map: string;
  if (axes.isDense) {
    const dense = denseMatrix(attributes, axes);
    const count = places * places * down * across;
    const back = constant(context, transposed(dense, count), height * width);
    const moved = permute(context, rows, [places * places, images, down * across * channels], [1, 0, 2]);
    map = product(back, reshape(context, moved, [images, count, channels]));
  } else {
    const vertical = constant(context, transposed(axisMatrix(matrix, m, height), places * down), height);
    const horizontal = constant(context, transposed(axisMatrix(matrix, m, width), places * across), width);
    const moved = permute(
      context,
      rows,
      [places, places, images, down, across, channels],
      [2, 0, 3, 1, 4, 5],
    );
    const wide = product(
      horizontal,
      reshape(context, moved, [images * places * down, places * across, channels]),
    );
    map = product(vertical, reshape(context, wide, [images, places * down, width * channels]));
  }
  define(context, node, reshape(context, map, [...output(node).shape]));
};

/** [3, 3, in, out] → [a², in, out] */
const toFilter: Lowering = (node, context) => {
  const { m } = node.attributes as unknown as TileAttributes;
  const filter = input(node, 0);
  const taps = reshape(context, context.forms.use(filter), [9, filter.shape[2]! * filter.shape[3]!]);
  const places = placesOf(m) ** 2;
  const made = context.builder.emit('MatMul', [constant(context, filterMatrix(m), places), taps]);
  define(context, node, reshape(context, made, [...output(node).shape]));
};

/** [a², in, out] → [3, 3, in, out] */
const toTaps: Lowering = (node, context) => {
  const { m } = node.attributes as unknown as TileAttributes;
  const gradient = input(node, 0);
  const [places, channels, filters] = gradient.shape as [number, number, number];
  const rows = reshape(context, context.forms.use(gradient), [places, channels * filters]);
  const matrix = constant(context, transposed(filterMatrix(m), places), 9);
  const made = context.builder.emit('MatMul', [matrix, rows]);
  define(context, node, reshape(context, made, [...output(node).shape]));
};

export const WINOGRAD: Record<string, Lowering> = {
  WinogradFilter: toFilter,
  WinogradMap: toMap,
  WinogradTaps: toTaps,
  WinogradTiles: toTiles,
};
