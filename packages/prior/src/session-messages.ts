/** What passes between an owner of an ONNX Runtime session and the thread that the session lives on. */

export interface SessionSettings {
  /** A file, or the model itself. */
  model: string | Uint8Array;
  /** Threads that one operator uses. */
  threads: number;
  /** How much of it ONNX Runtime rewrites; everything that it can where this is absent. */
  optimization?: 'disabled' | 'basic' | 'all';
  /** File that it is written to as ONNX Runtime has rewritten it. */
  saveTo?: string;
}

export interface TensorDescription {
  name: string;
  /** Element type as ONNX Runtime names it; null where the value is no tensor. */
  type: string | null;
  shape: (number | string)[];
}

export interface RunRequest {
  id: number;
  input: string;
  output: string;
  data: Float32Array | Uint8Array;
  dims: number[];
}

export type SessionReply =
  | { kind: 'ready'; inputs: TensorDescription[]; outputs: TensorDescription[] }
  | { kind: 'refused'; reason: string }
  | { kind: 'ran'; id: number; data: Float32Array; dims: number[]; input: Float32Array | Uint8Array }
  | { kind: 'failed'; id: number; reason: string };
