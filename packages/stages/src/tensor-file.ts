/**
 * Named tensors in one file, in the safetensors format: eight bytes of header length, a JSON header, the data.
 * Source: the safetensors format description (github.com/huggingface/safetensors).
 */
import { type FileHandle, open } from 'node:fs/promises';
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

function dtypeOf(name: string, entry: Entry): DType {
  const dtype = (Object.keys(NAMES) as DType[]).find((candidate) => NAMES[candidate] === entry.dtype);
  if (!dtype) throw corrupt(`tensor "${name}" has the type ${entry.dtype}; F32, I32 and BOOL are read`);
  return dtype;
}

function readTensor(name: string, entry: Entry, data: Uint8Array): HostTensor {
  const dtype = dtypeOf(name, entry);
  const [start, end] = entry.data_offsets;
  const size = entry.shape.reduce((product, side) => product * side, 1);
  if (end - start !== size * ITEM_BYTES[dtype] || start < 0 || end > data.length)
    throw corrupt(`tensor "${name}" does not lie where the header says`);
  // A copy of its own, since `slice` of a Buffer is a view: tensors have to start at a multiple of their element.
  const bytes = new Uint8Array(data.subarray(start, end));
  if (dtype === 'float32') return { dtype, shape: entry.shape, data: new Float32Array(bytes.buffer) };
  if (dtype === 'int32') return { dtype, shape: entry.shape, data: new Int32Array(bytes.buffer) };
  return { dtype, shape: entry.shape, data: bytes };
}

function corrupt(what: string): ProblemError {
  return new ProblemError('invalid-data', `The tensor file is damaged: ${what}. Write it again.`);
}

/** The header of a file that begins with `start`, which holds it in full; `size`: bytes of the whole file. */
function parseHeader(
  start: Buffer,
  size: number,
): { entries: Record<string, Entry>; metadata: Record<string, string>; data: number } {
  const length = headerLength(start, size);
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(start.toString('utf8', 8, 8 + length)) as Record<string, unknown>;
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
  return {
    entries: entries as Record<string, Entry>,
    metadata: metadata as Record<string, string>,
    data: 8 + length,
  };
}

function headerLength(start: Buffer, size: number): number {
  if (start.length < 8) throw corrupt('it is shorter than its header');
  const length = Number(start.readBigUInt64LE(0));
  if (length > MAX_HEADER_BYTES || 8 + length > size) throw corrupt('it is shorter than its header');
  return length;
}

/** @throws ProblemError `invalid-data` where the file is not what its header says. */
export function decodeTensors(file: Uint8Array): { tensors: HostTensors; metadata: Record<string, string> } {
  const view = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const { entries, metadata, data } = parseHeader(view, view.length);
  const tensors = Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [name, readTensor(name, entry, view.subarray(data))]),
  );
  return { tensors, metadata };
}

/** Names, shapes and types of a file's tensors; reads no more than its header. @throws ProblemError `invalid-data` */
export async function readTensorSpecs(path: string): Promise<Record<string, TensorSpec>> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const length = headerLength(await readStart(file, Math.min(8, size)), size);
    const { entries } = parseHeader(await readStart(file, 8 + length), size);
    return Object.fromEntries(
      Object.entries(entries).map(([name, entry]) => {
        if (!Array.isArray(entry?.shape)) throw corrupt(`tensor "${name}" has no shape`);
        return [name, { shape: entry.shape, dtype: dtypeOf(name, entry) }];
      }),
    );
  } finally {
    await file.close();
  }
}

async function readStart(file: FileHandle, bytes: number): Promise<Buffer> {
  const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
  return buffer;
}
