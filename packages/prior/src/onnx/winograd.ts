/**
 * Writes a model's 3 × 3 convolutions as Winograd's F(4 × 4, 3 × 3) in plain ONNX ops: tiles of the map and of the filter meet in one
 * product of matrices a place, which takes a quarter of the multiplications (matrices and source: the engine's
 * `graph/winograd-matrices.ts`). ONNX Runtime has no such kernel. Everything else of the model is kept byte for byte.
 */
import { winograd } from '@rela/engine';
import { FIELD, type OnnxModel, type OnnxNode } from './model.js';
import { NodeWriter } from './node-writer.js';
import { bodiesOf, integerOf, integersOf, MessageWriter, readFields, textOf } from './wire.js';

/** Fewer channels make products too thin: at 64 of them the transforms cost more than the products save. */
const FEWEST_CHANNELS = 128;
/** Sides of a map that are rewritten. An axis is transformed as a whole, which costs more the longer it is. */
const SHORTEST_SIDE = 4;
const LONGEST_SIDE = 32;
const TILE = 4;
/** Places of a tile along an axis. */
const PLACES = winograd.placesOf(TILE);
const TAPS = 3;

const FLOAT = 1;
/** From here on initializers need not be inputs, and those that are can be overridden by a caller. */
const IR_WITH_OVERRIDES = 4;

/** A convolution that may be rewritten, if its map has a side that suits. */
export interface Convolution {
  node: OnnxNode;
  map: string;
  filter: string;
  bias: string | undefined;
  output: string;
  channels: number;
  filters: number;
}

/** Sides of the map that a convolution reads. */
export interface MapSize {
  height: number;
  width: number;
}

/** Convolutions of 3 × 3 taps, stride 1, padded by 1, with constant filters and channels enough. */
export function plainConvolutions(model: OnnxModel): Convolution[] {
  const filters = constantFilters(model);
  return model.nodes.flatMap((node) => {
    if (node.opType !== 'Conv' || !isPlain(node)) return [];
    const [map, filter, bias] = node.reads;
    const [output] = node.writes;
    const dims = filters.get(filter ?? '');
    if (map === undefined || filter === undefined || output === undefined || dims === undefined) return [];
    const [made, channels] = dims as [number, number];
    if (Math.min(made, channels) < FEWEST_CHANNELS) return [];
    return [{ node, map, filter, bias, output, channels, filters: made }];
  });
}

/** Dims [filters, channels, 3, 3] of the initializers that are filters and that no caller can override. */
function constantFilters(model: OnnxModel): Map<string, number[]> {
  const overridable = new Set(
    model.irVersion < IR_WITH_OVERRIDES
      ? []
      : bodiesOf(model.graph, FIELD.graph.input).map((body) =>
          textOf(readFields(body), FIELD.valueInfo.name),
        ),
  );
  const filters = new Map<string, number[]>();
  for (const body of bodiesOf(model.graph, FIELD.graph.initializer)) {
    const tensor = readFields(body);
    const name = textOf(tensor, FIELD.tensor.name);
    const dims = integersOf(tensor, FIELD.tensor.dims);
    const isFilter = dims.length === 4 && dims[2] === TAPS && dims[3] === TAPS;
    if (isFilter && integerOf(tensor, FIELD.tensor.dataType, 0) === FLOAT && !overridable.has(name))
      filters.set(name, dims);
  }
  return filters;
}

function isPlain({ raw }: OnnxNode): boolean {
  const fields = readFields(readFields(raw)[0]!.body);
  if (!['', 'ai.onnx'].includes(textOf(fields, FIELD.node.domain))) return false;
  const attributes = new Map(
    bodiesOf(fields, FIELD.node.attribute)
      .map(readFields)
      .map((attribute) => [textOf(attribute, FIELD.attribute.name), attribute]),
  );
  const are = (name: string, value: number) =>
    integersOf(attributes.get(name) ?? [], FIELD.attribute.ints).every((side) => side === value);
  const padding = textOf(attributes.get('auto_pad') ?? [], FIELD.attribute.s) || 'NOTSET';
  const isPadded =
    padding === 'NOTSET' ? attributes.has('pads') && are('pads', 1) : padding.startsWith('SAME_');
  const group = integerOf(attributes.get('group') ?? [], FIELD.attribute.i, 1);
  return isPadded && are('strides', 1) && are('dilations', 1) && group === 1;
}

const fits = (side: number): boolean => side >= SHORTEST_SIDE && side <= LONGEST_SIDE;

export const suits = ({ height, width }: MapSize): boolean => fits(height) && fits(width);

/** @param sizes of the map of each convolution that is rewritten; it has to be the same in every run */
export function withWinograd(model: OnnxModel, sizes: ReadonlyMap<Convolution, MapSize>): Uint8Array {
  const graph = new MessageWriter();
  const writer = new NodeWriter(graph, 'winograd');
  const byNode = new Map(
    [...sizes].map(([convolution, size]) => [convolution.node.raw, { convolution, size }]),
  );
  for (const field of model.graph) {
    const found = byNode.get(field.raw);
    if (found) writeConvolution(writer, found.convolution, found.size, model.opset);
    else graph.raw(field.raw);
  }
  const rewritten = new MessageWriter();
  for (const field of model.fields) if (field.id !== FIELD.model.graph) rewritten.raw(field.raw);
  return rewritten.message(FIELD.model.graph, graph).finish();
}

/**
 * The map goes through its tiles in channels-last order: ONNX Runtime converts its blocked layout to and from it on all threads, in
 * place of the two Transposes at the border. Of the batch nothing is said: it stays what the model takes.
 */
function writeConvolution(
  writer: NodeWriter,
  { map, filter, bias, output, channels, filters }: Convolution,
  { height, width }: MapSize,
  opset: number,
): void {
  const [down, across] = [winograd.tilesOf(TILE, height), winograd.tilesOf(TILE, width)];
  const transpose = (value: string, perm: number[], into?: string) =>
    writer.emit('Transpose', [value], { perm }, into);
  const multiply = (left: string, right: string) => writer.emit('MatMul', [left, right]);
  const axis = (length: number) =>
    writer.floats(
      [PLACES * winograd.tilesOf(TILE, length), length],
      winograd.axisMatrix('input', TILE, length),
    );

  const lastly = transpose(map, [0, 2, 3, 1]);
  const tall = multiply(axis(height), writer.reshape(lastly, [-1, height, width * channels]));
  const rows = multiply(axis(width), writer.reshape(tall, [-1, width, channels]));
  const placed = transpose(
    writer.reshape(rows, [-1, PLACES, down, PLACES, across, channels]),
    [1, 3, 0, 2, 4, 5],
  );
  const products = multiply(
    writer.reshape(placed, [PLACES ** 2, -1, channels]),
    filterTiles(writer, filter, { channels, filters }),
  );

  // The places are the outer axes, so that each is summed away by one product over all that lies behind it.
  const back = writer.floats([TILE, PLACES], winograd.outputMatrix(TILE));
  const vertical = multiply(back, writer.reshape(products, [PLACES, -1]));
  const both = multiply(back, writer.reshape(vertical, [TILE, PLACES, -1]));
  const tiles = transpose(writer.reshape(both, [TILE, TILE, -1, down, across, filters]), [2, 3, 0, 4, 1, 5]);
  const whole = writer.reshape(tiles, [-1, TILE * down, TILE * across, filters]);
  const cut =
    TILE * down === height && TILE * across === width ? whole : crop(writer, whole, { height, width }, opset);

  // One by one and depthwise: the bias is added in blocks, where ReLU joins it, and what follows stays in blocks.
  const ones = writer.floats([filters, 1, 1, 1], new Float32Array(filters).fill(1));
  writer.emit(
    'Conv',
    [transpose(cut, [0, 3, 1, 2]), ones, ...(bias === undefined ? [] : [bias])],
    { group: filters, kernel_shape: [1, 1] },
    output,
  );
}

/** The filter as [a², channels, filters]. ONNX Runtime computes it once, when it opens the model, and drops the filter. */
function filterTiles(
  writer: NodeWriter,
  filter: string,
  { channels, filters }: { channels: number; filters: number },
): string {
  const places = PLACES ** 2;
  const taps = writer.emit('Transpose', [writer.reshape(filter, [filters, channels, TAPS ** 2])], {
    perm: [2, 1, 0],
  });
  const matrix = writer.floats([places, TAPS ** 2], winograd.filterMatrix(TILE));
  const made = writer.emit('MatMul', [matrix, writer.reshape(taps, [TAPS ** 2, channels * filters])]);
  return writer.reshape(made, [places, channels, filters]);
}

/** Slice has its bounds as inputs from this operator set on, and as attributes before. */
const SLICE_WITH_INPUTS = 10;

function crop(writer: NodeWriter, map: string, { height, width }: MapSize, opset: number): string {
  const bounds = { starts: [0, 0], ends: [height, width], axes: [1, 2] };
  if (opset < SLICE_WITH_INPUTS) return writer.emit('Slice', [map], bounds);
  return writer.emit('Slice', [map, ...Object.values(bounds).map((sides) => writer.integers(sides))]);
}
