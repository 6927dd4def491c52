/**
 * Named tensors in one file, in the safetensors format: eight bytes of header length, a JSON header, the data.
 * Source: the safetensors format description (github.com/huggingface/safetensors).
 */
import { open } from 'node:fs/promises';
import { ProblemError } from '@rela/contracts';
import type { DType, HostTensor, HostTensors, TensorSpec } from '@rela/engine';

const NAMES: Record<DType, string> = { float32: 'F32', int32: 'I32', bool: 'BOOL' };
const ITEM_BYTES: Record<DType, number> = { float32: 4, int32: 4, bool: 1 };
const MAX_HEADER_BYTES = 100_000_000;

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** The file's bytes in pieces, so that the tensors are not copied into one buffer. */
export function* encodeTensors(
  tensors: HostTensors,
  metadata: Record<string, string> = {},
): Generator<Uint8Array> {
  const header: Record<string, Entry | Record<string, string>> = { __metadata__: metadata };
  const names = Object.keys(tensors).sort();
  let offset = 0;
  for (const name of names) {
    const { dtype, shape, data } = tensors[name]!;
    header[name] = { dtype: NAMES[dtype], shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  // Data starts at a multiple of eight, as the format asks of writers.
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  yield length;
  yield padded;
  for (const name of names) {
    const { data } = tensors[name]!;
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}

/** What others write: whole numbers of 64 bits, and floats of other widths, which become float32. */
const FOREIGN: Record<string, { itemBytes: number; dtype: DType; read(view: DataView, at: number): number }> =
  {
    F64: { itemBytes: 8, dtype: 'float32', read: (view, at) => view.getFloat64(at, true) },
    F16: { itemBytes: 2, dtype: 'float32', read: (view, at) => fromHalf(view.getUint16(at, true)) },
    BF16: { itemBytes: 2, dtype: 'float32', read: (view, at) => fromBrainFloat(view.getUint16(at, true)) },
    I64: { itemBytes: 8, dtype: 'int32', read: (view, at) => Number(view.getBigInt64(at, true)) },
  };

const words = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of a float32. */
function fromBrainFloat(bits: number): number {
  words.setUint32(0, bits << 16);
  return words.getFloat32(0);
}

/** IEEE 754 binary16: one bit of sign, five of exponent, ten of fraction. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);

/** How a tensor is stored, and what it becomes here. `foreign`: null for what is written here too. */
function typeOf(name: string, { dtype: stored }: Entry) {
  const own = (Object.keys(NAMES) as DType[]).find((candidate) => NAMES[candidate] === stored);
  if (own) return { itemBytes: ITEM_BYTES[own], dtype: own, foreign: null };
  const foreign = FOREIGN[stored];
  if (foreign) return { itemBytes: foreign.itemBytes, dtype: foreign.dtype, foreign };
  throw new ProblemError(
    'invalid-data',
    `Tensor "${name}" has the type ${stored}; ${[...Object.values(NAMES), ...Object.keys(FOREIGN)].join(', ')} are read. Save it as one of them.`,
  );
}

function readTensor(name: string, entry: Entry, data: Uint8Array): HostTensor {
  const { itemBytes, dtype, foreign } = typeOf(name, entry);
  const { shape } = entry;
  const [start, end] = entry.data_offsets;
  const size = sizeOf(shape);
  // A copy of its own, since `slice` of a Buffer is a view: tensors have to start at a multiple of their element.
  const bytes = new Uint8Array(data.subarray(start, end));
  if (foreign) {
    const view = new DataView(bytes.buffer);
    const values = Array.from({ length: size }, (_, at) => foreign.read(view, at * itemBytes));
    return foreign.dtype === 'int32'
      ? { dtype: 'int32', shape, data: Int32Array.from(values) }
      : { dtype: 'float32', shape, data: Float32Array.from(values) };
  }
  if (dtype === 'float32') return { dtype, shape, data: new Float32Array(bytes.buffer) };
  if (dtype === 'int32') return { dtype, shape, data: new Int32Array(bytes.buffer) };
  return { dtype, shape, data: bytes };
}

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((side) => Number.isSafeInteger(side) && side >= 0);

function isEntry(value: unknown): value is Entry {
  const entry = value as Partial<Entry> | null;
  return (
    typeof entry?.dtype === 'string' &&
    isCounts(entry.shape) &&
    isCounts(entry.data_offsets) &&
    entry.data_offsets.length === 2
  );
}

function corrupt(what: string): ProblemError {
  return new ProblemError('invalid-data', `The tensor file is damaged: ${what}. Write it again.`);
}

/** The header of a file of `size` bytes, which begins with `start`: as many bytes as the header has, or more. */
function parseHeader(
  start: Buffer,
  size: number,
): { entries: Record<string, Entry>; metadata: Record<string, string>; dataStart: number } {
  const dataStart = endOfHeader(start, size);
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(start.toString('utf8', 8, dataStart)) as Record<string, unknown>;
    if (typeof header !== 'object' || header === null || Array.isArray(header))
      throw new TypeError('it is no object');
  } catch (error) {
    throw new ProblemError(
      'invalid-data',
      'The tensor file is damaged: its header is not JSON. Write it again.',
      undefined,
      {
        cause: error,
      },
    );
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  for (const [name, entry] of Object.entries(entries)) {
    if (!isEntry(entry)) throw corrupt(`its header does not say what "${name}" is`);
    const [start, end] = entry.data_offsets;
    if (end - start !== sizeOf(entry.shape) * typeOf(name, entry).itemBytes || dataStart + end > size)
      throw corrupt(`tensor "${name}" does not lie where the header says`);
  }
  return {
    entries: entries as Record<string, Entry>,
    metadata: metadata as Record<string, string>,
    dataStart,
  };
}

/** Where the data begin. */
function endOfHeader(start: Buffer, size: number): number {
  if (start.length < 8) throw corrupt('it is shorter than its header');
  const length = Number(start.readBigUInt64LE(0));
  if (length > MAX_HEADER_BYTES || 8 + length > size) throw corrupt('it is shorter than its header');
  return 8 + length;
}

/** @throws ProblemError `invalid-data` where the file is not what its header says. */
export function decodeTensors(file: Uint8Array): { tensors: HostTensors; metadata: Record<string, string> } {
  const view = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const { entries, metadata, dataStart } = parseHeader(view, view.length);
  const data = view.subarray(dataStart);
  const tensors = Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [name, readTensor(name, entry, data)]),
  );
  return { tensors, metadata };
}

/**
 * Names, shapes and types of a file's tensors, as `decodeTensors` would give them, and its metadata; reads no more than its header.
 * @throws ProblemError `invalid-data` where it is no such file
 */
export async function readTensorHeader(
  path: string,
): Promise<{ specs: Record<string, TensorSpec>; metadata: Record<string, string> }> {
  const file = await open(path);
  const readStart = async (bytes: number) => (await file.read(Buffer.alloc(bytes), 0, bytes, 0)).buffer;
  try {
    const { size } = await file.stat();
    const { entries, metadata } = parseHeader(
      await readStart(endOfHeader(await readStart(Math.min(8, size)), size)),
      size,
    );
    const specs = Object.entries(entries).map(([name, entry]) => [
      name,
      { shape: entry.shape, dtype: typeOf(name, entry).dtype },
    ]);
    return { specs: Object.fromEntries(specs), metadata };
  } finally {
    await file.close();
  }
}
