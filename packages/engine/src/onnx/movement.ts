/**
 * How elements get from one order into another. ONNX Runtime runs most Transposes on one thread; the conversions of its
 * blocked layout, and Gather over rows, it runs on all. So a large movement is made of those where it can be; most are
 * for the gradients of filters. Measured gain: case `movement` of `npm run bench -- passes`.
 */
import { type DType, sizeOf } from '../tensors.js';
import type { Builder } from './builder.js';
import { int, ints } from './model.js';

/** Elements from which on threads pay. */
const LARGE = 1 << 16;
/** Shorter rows are no better gathered than transposed. */
const SHORTEST_ROW = 16;

const NCHWC = { domain: 'com.microsoft.nchwc' } as const;

/** From [N, blocks, H, W, block] to [N, H, W, blocks, block], and back. */
const TO_CHANNELS_LAST = [0, 2, 3, 1, 4];
const FROM_CHANNELS_LAST = [0, 3, 1, 2, 4];

interface Movement {
  /** Sides of the tensor as it lies. */
  sides: readonly number[];
  /** Axis i of the result is axis `perm[i]`. */
  perm: readonly number[];
}

/** @param block channels in a block of the blocked layout, 1 where there is none */
export function move(
  builder: Builder,
  name: string,
  { sides, perm }: Movement,
  { block, dtype }: { block: number; dtype: DType },
): string {
  const size = sizeOf(sides);
  const inner = perm.at(-1)!;
  const last = sides.length - 1;
  if (block > 1 && size >= LARGE && dtype === 'float32' && !builder.transposesOnly) {
    const [images, first, second, third, inmost] = sides as [number, number, number, number, number];
    if (String(perm) === String(TO_CHANNELS_LAST) && inmost === block)
      return toChannelsLast(builder, name, [images, first * block, second, third], block);
    if (String(perm) === String(FROM_CHANNELS_LAST) && inmost === block)
      return fromChannelsLast(builder, name, [images, first, second, third * block], block);
    const isTile = rowWidth({ sides, perm }) === block && sides[perm.at(-2)!] === block;
    if (inner === last && isTile) return movedTiles(builder, name, { sides, perm });
    if (inner === last && rowWidth({ sides, perm }) >= SHORTEST_ROW)
      return moveRows(builder, name, { sides, perm });
    if (sides[inner] === block && inner !== last) return movedInside(builder, name, { sides, perm }, inner);
    if (sides[last] === block && isOrderedBut(perm, last))
      return movedOutside(builder, name, { sides, perm }, perm.indexOf(last));
  }
  return builder.emit('Transpose', [name], { perm: ints(perm) });
}

/** @param sides [N, C, H, W], as the kernels declare blocks */
function toChannelsLast(
  builder: Builder,
  name: string,
  sides: [number, number, number, number],
  block: number,
): string {
  const [images, channels, height, width] = sides;
  const view = builder.emit('Reshape', [name, builder.ints(sides)]);
  const reordered = builder.emit(
    'ReorderOutput',
    [view],
    { channels: int(channels), channels_last: int(1) },
    NCHWC,
  );
  return builder.emit('Reshape', [reordered, builder.ints([images, height, width, channels / block, block])]);
}

/** @param sides [N, H, W, C] */
function fromChannelsLast(
  builder: Builder,
  name: string,
  sides: [number, number, number, number],
  block: number,
): string {
  const [images, height, width, channels] = sides;
  const view = builder.emit('Reshape', [name, builder.ints(sides)]);
  const reordered = builder.emit('ReorderInput', [view], { channels_last: int(1) }, NCHWC);
  return builder.emit('Reshape', [reordered, builder.ints([images, channels / block, height, width, block])]);
}

const isOrderedBut = (perm: readonly number[], axis: number) => {
  const others = perm.filter((other) => other !== axis);
  return others.every((other, index) => index === 0 || other > others[index - 1]!);
};

/** Elements of the innermost axes that keep their places. */
function rowWidth({ sides, perm }: Movement): number {
  let width = 1;
  for (let axis = perm.length - 1; axis >= 0 && perm[axis] === axis; axis--) width *= sides[axis]!;
  return width;
}

/** An axis of one block becomes the innermost: what the kernels do to images on their way in. */
function movedInside(builder: Builder, name: string, { sides, perm }: Movement, axis: number): string {
  const [before, after] = [sides.slice(0, axis), sides.slice(axis + 1)];
  const view = builder.emit('Reshape', [
    name,
    builder.ints([sizeOf(before), sides[axis]!, sizeOf(after), 1]),
  ]);
  const reordered = builder.emit('ReorderInput', [view], {}, NCHWC);
  const last = sides.length - 1;
  return moveRows(builder, reordered, {
    sides: [...before, ...after, sides[axis]!],
    perm: perm.map((from) => (from === axis ? last : from > axis ? from - 1 : from)),
  });
}

/**
 * An axis of one block becomes the one before the innermost, of one block too: it is made the innermost, and then the two change
 * places. Twice over memory in order; gathering rows of one block jumps at every row, and takes up to twice as long.
 */
function movedTiles(builder: Builder, name: string, { sides, perm }: Movement): string {
  const axis = perm.at(-2)!;
  const last = perm.at(-1)!;
  const inside = movedInside(builder, name, { sides, perm: [...perm.slice(0, -2), last, axis] }, axis);
  const block = sides[last]!;
  const tiles = sizeOf(sides) / block ** 2;
  const view = builder.emit('Reshape', [inside, builder.ints([tiles, block, block, 1])]);
  const turned = builder.emit('ReorderInput', [view], {}, NCHWC);
  return builder.emit('Reshape', [turned, builder.ints(perm.map((from) => sides[from]!))]);
}

/** The innermost axis, of one block, gets another place: what the kernels do to images on their way out. */
function movedOutside(builder: Builder, name: string, { sides, perm }: Movement, place: number): string {
  const block = sides.at(-1)!;
  const [before, after] = [sizeOf(sides.slice(0, place)), sizeOf(sides.slice(place, -1))];
  const view = builder.emit('Reshape', [name, builder.ints([before, block, after, 1])]);
  const reordered = builder.emit(
    'ReorderOutput',
    [view],
    { channels: int(block), channels_last: int(0) },
    NCHWC,
  );
  return builder.emit('Reshape', [reordered, builder.ints(perm.map((axis) => sides[axis]!))]);
}

/** Lists of row indices that a builder has as constants already. */
const gathered = new WeakMap<Builder, Map<string, string>>();

function moveRows(builder: Builder, name: string, movement: Movement): string {
  const { sides, perm } = movement;
  const width = rowWidth(movement);
  const rows = sizeOf(sides) / width;
  const result = builder.ints(perm.map((axis) => sides[axis]!));
  const long = perm.filter((axis) => sides[axis]! > 1);
  if (long.every((axis, at) => at === 0 || axis > long[at - 1]!))
    return builder.emit('Reshape', [name, result]);
  const lists = gathered.get(builder) ?? new Map<string, string>();
  gathered.set(builder, lists);
  const key = `${sides}/${perm}`;
  const indices =
    lists.get(key) ??
    builder.constant({ dtype: 'int32', dims: [rows], data: rowIndices(movement, rows, width) });
  lists.set(key, indices);
  const view = builder.emit('Reshape', [name, builder.ints([rows, width])]);
  const moved = builder.emit('Gather', [view, indices], { axis: int(0) });
  return builder.emit('Reshape', [moved, result]);
}

function rowIndices({ sides, perm }: Movement, rows: number, width: number): Int32Array {
  const steps = sides.map((_, axis) => sizeOf(sides.slice(axis + 1)) / width);
  // Axes inside of a row have steps below one and take no part.
  const outerAxes = perm.filter((axis) => steps[axis]! >= 1);
  const indices = new Int32Array(rows);
  const place = new Array<number>(outerAxes.length).fill(0);
  let from = 0;
  for (let to = 0; to < rows; to++) {
    indices[to] = from;
    for (let at = outerAxes.length - 1; at >= 0; at--) {
      const axis = outerAxes[at]!;
      from += steps[axis]!;
      if (++place[at]! < sides[axis]!) break;
      from -= steps[axis]! * sides[axis]!;
      place[at] = 0;
    }
  }
  return indices;
}
