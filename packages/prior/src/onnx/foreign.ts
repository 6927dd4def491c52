/** Says what a file is that is not ONNX, from its first bytes. ONNX itself has no magic number: it is a bare protobuf message. */

interface Signature {
  /** Byte at which `bytes` stand. */
  at: number;
  bytes: string;
  meaning: string;
}

const SIGNATURES: readonly Signature[] = [
  { at: 0, bytes: '\x89PNG', meaning: 'it is a PNG image. Give the .onnx file.' },
  { at: 0, bytes: '\xff\xd8\xff', meaning: 'it is a JPEG image. Give the .onnx file.' },
  {
    at: 0,
    bytes: 'PK\x03\x04',
    meaning:
      'it is a zip archive, as torch.save and Keras write them. Export the model with torch.onnx.export or tf2onnx.',
  },
  {
    at: 0,
    bytes: '\x80\x02',
    meaning: 'it is a Python pickle, as old torch.save writes. Export the model with torch.onnx.export.',
  },
  { at: 0, bytes: '\x89HDF', meaning: 'it is an HDF5 file, as Keras writes. Export the model with tf2onnx.' },
  { at: 0, bytes: '\x1f\x8b', meaning: 'it is gzip. Unpack it first.' },
  { at: 0, bytes: 'GGUF', meaning: 'it is a GGUF file. Priors are ONNX models.' },
  {
    at: 0,
    bytes: 'version https://git-lfs',
    meaning: 'it is a Git LFS pointer. Fetch the file itself with git lfs pull.',
  },
  { at: 4, bytes: 'TFL3', meaning: 'it is a TensorFlow Lite model. Convert it with tf2onnx.' },
  {
    at: 4,
    bytes: 'ORTM',
    meaning: "it is ONNX Runtime's own format. Give the .onnx file that it was made from.",
  },
  {
    at: 8,
    bytes: '{"',
    meaning: 'it is a safetensors file: weights without a graph. Export the model as ONNX.',
  },
  { at: 0, bytes: '{', meaning: 'it is JSON. Give the .onnx file.' },
  {
    at: 0,
    bytes: '<',
    meaning: 'it is HTML or XML, perhaps an error page of a download. Fetch the .onnx file itself.',
  },
];

/** A sentence about what the file is; null where it may be ONNX. */
export function whatItIs(bytes: Uint8Array): string | null {
  if (bytes.length === 0) return 'it is empty. Upload it again.';
  const head = Buffer.from(bytes.subarray(0, 32)).toString('latin1');
  return SIGNATURES.find(({ at, bytes: signature }) => head.startsWith(signature, at))?.meaning ?? null;
}
