/**
 * NumPy's own file format (NumPy Enhancement Proposal 1): a magic string, a header that describes the array, then its values.
 * Arrays of Python objects are stored as pickles and are refused: reading one runs what it says.
 */
import type { ByteReader } from './byte-reader.js';

export interface NpyHeader {
  /** kind and bytes of a value, such as "u1" */
  type: string;
  bigEndian: boolean;
  shape: number[];
}

const MAGIC = '\u0093NUMPY';
const MAX_HEADER_BYTES = 2 ** 16;

/** Reads the header; the values come next. @throws ProblemError `invalid-data` naming the array where it cannot be read */
export async function readNpyHeader(reader: ByteReader): Promise<NpyHeader> {
  const magic = Buffer.from(await reader.take(8, 'the magic string of NumPy'));
  if (magic.toString('latin1', 0, 6) !== MAGIC) {
    // 0x80: how every pickle of protocol 2 and later begins.
    const what =
      magic[0] === 0x80
        ? 'is a Python pickle, which is not read, because reading one runs what it says'
        : 'is no npy array';
    throw reader.problem(`${what}; write it with numpy.save`);
  }
  const wide = magic[6]! >= 2;
  const length = Buffer.from(await reader.take(wide ? 4 : 2, 'the length of its header'));
  const bytes = wide ? length.readUInt32LE() : length.readUInt16LE();
  if (bytes > MAX_HEADER_BYTES) throw reader.problem(`announces a header of ${bytes} bytes`);
  return parseHeader(Buffer.from(await reader.take(bytes, 'its header')).toString('latin1'), reader);
}

/** The header is a Python literal of one form: {'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), } */
function parseHeader(text: string, reader: ByteReader): NpyHeader {
  const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1];
  const fortran = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape':\s*\(([\d,\sL]*)\)/.exec(text)?.[1];
  if (/'descr':\s*\[/.test(text)) throw reader.problem('is an array of records; save its fields one by one');
  if (descr === undefined || fortran === undefined || shape === undefined)
    throw reader.problem(`has a header that is not understood: ${text.trim().slice(0, 200)}`);
  const [, order, type] = /^([<>|=]?)(.+)$/.exec(descr) ?? [];
  if (type === undefined || type.startsWith('O'))
    throw reader.problem(
      'holds Python objects (dtype object), which are pickled and not read, because reading a pickle runs what it says; save a plain array, with numpy.save(…, allow_pickle=False)',
    );
  if (fortran === 'True')
    throw reader.problem('is stored column by column; save numpy.ascontiguousarray of it');
  const sizes = shape.split(',').filter((size) => size.trim() !== '');
  return { type, bigEndian: order === '>', shape: sizes.map((size) => Number.parseInt(size, 10)) };
}

const INTEGERS: Record<string, (view: DataView, littleEndian: boolean) => number> = {
  b1: (view) => view.getUint8(0),
  u1: (view) => view.getUint8(0),
  i1: (view) => view.getInt8(0),
  u2: (view, little) => view.getUint16(0, little),
  i2: (view, little) => view.getInt16(0, little),
  u4: (view, little) => view.getUint32(0, little),
  i4: (view, little) => view.getInt32(0, little),
  u8: (view, little) => Number(view.getBigUint64(0, little)),
  i8: (view, little) => Number(view.getBigInt64(0, little)),
};

/** Reads the values of an array of whole numbers, one after the other. @throws ProblemError `invalid-data` for other types */
export function integersOf(
  reader: ByteReader,
  { type, bigEndian }: NpyHeader,
): (what: string) => Promise<number> {
  const read = INTEGERS[type];
  if (!read) throw reader.problem(`holds values of type ${type}; labels are whole numbers`);
  const bytes = Number(type[1]);
  return async (what) => {
    const value = await reader.take(bytes, what);
    return read(new DataView(value.buffer, value.byteOffset), !bigEndian);
  };
}

export interface ImageArray {
  count: number;
  height: number;
  width: number;
  channels: 1 | 3 | 4;
}

/** What an array of images says of them. @throws ProblemError `invalid-data` where it holds no images */
export function imagesIn(reader: ByteReader, { type, shape }: NpyHeader, maxPixels: number): ImageArray {
  if (type !== 'u1')
    throw reader.problem(
      `holds values of type ${type}; images are uint8, 0 to 255, [n, height, width] or [n, height, width, channels]`,
    );
  const [count, height, width, channels = 1] = shape;
  const isKnown = channels === 1 || channels === 3 || channels === 4;
  if (shape.length < 3 || shape.length > 4 || !isKnown) {
    const first = shape[1] === 1 || shape[1] === 3;
    throw reader.problem(
      `has the shape [${shape.join(', ')}]; images are [n, height, width] or [n, height, width, channels] with 1, 3 or 4 channels${shape.length === 4 && first ? '. The channels seem to come first: save array.transpose(0, 2, 3, 1)' : ''}`,
    );
  }
  if (height! * width! === 0 || height! * width! > maxPixels)
    throw reader.problem(`holds images of ${height} × ${width} pixels; 1 to ${maxPixels} are read`);
  return { count: count!, height: height!, width: width!, channels };
}
