/**
 * The npy format, version 1.0: magic, version, header length, a Python literal padded to 64 bytes, the values row by row.
 * Source: numpy.lib.format.
 */

const MAGIC = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
const ALIGNMENT = 64;

/** Everything before the values. @param dtype both little-endian */
export function npyHeader(dtype: 'float32' | 'int32', shape: readonly number[]): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const descr = dtype === 'float32' ? '<f4' : '<i4';
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const unpadded = MAGIC.length + 2 + text.length + 1;
  const padding = (ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(text.length + padding + 1);
  return Buffer.concat([MAGIC, length, Buffer.from(`${text}${' '.repeat(padding)}\n`, 'latin1')]);
}
