/**
 * Named tensors in one file, in the safetensors format: eight bytes of header length, a JSON header, the data.
 * Source: the safetensors format description (github.com/huggingface/safetensors).
 */
import { ProblemError } from '@rela/contracts';
import type { DType, HostTensor, HostTensors } from '@rela/engine';

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

function readTensor(name: string, entry: Entry, data: Uint8Array): HostTensor {
  const dtype = (Object.keys(NAMES) as DType[]).find((candidate) => NAMES[candidate] === entry.dtype);
  if (!dtype) throw corrupt(`tensor "${name}" has the type ${entry.dtype}; F32, I32 and BOOL are read`);
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

/** @throws ProblemError `invalid-data` where the file is not what its header says. */
export function decodeTensors(file: Uint8Array): { tensors: HostTensors; metadata: Record<string, string> } {
  const view = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (view.length < 8) throw corrupt('it is shorter than its header');
  const length = Number(view.readBigUInt64LE(0));
  if (length > MAX_HEADER_BYTES || 8 + length > view.length) throw corrupt('it is shorter than its header');
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(view.toString('utf8', 8, 8 + length)) as Record<string, unknown>;
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
  const data = view.subarray(8 + length);
  const tensors = Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [name, readTensor(name, entry as Entry, data)]),
  );
  return { tensors, metadata: metadata as Record<string, string> };
}
