/** An ONNX model as plain data: what the lowering makes and the writer turns into bytes. */

export type OnnxDType = 'float32' | 'int32' | 'int64' | 'bool';

export interface OnnxTensor {
  dtype: OnnxDType;
  dims: readonly number[];
  data: Float32Array | Int32Array | BigInt64Array | Uint8Array;
}

export type OnnxAttribute =
  | { type: 'int'; value: number }
  | { type: 'ints'; value: readonly number[] }
  | { type: 'float'; value: number }
  | { type: 'floats'; value: readonly number[] }
  | { type: 'string'; value: string };

export interface OnnxNode {
  op: string;
  /** '' is ONNX itself; the others hold what only ONNX Runtime has. */
  domain: '' | 'com.microsoft' | 'com.microsoft.nchwc';
  inputs: string[];
  outputs: string[];
  attributes: Readonly<Record<string, OnnxAttribute>>;
  /** Sides of the first output, where the lowering knows them. */
  dims?: readonly number[];
  /** Computed though an equal node may exist, because keeping that one's result would take memory for long. */
  again?: boolean;
  /** The user's line behind it. */
  line: string;
}

/** A side is a number, or the name of one that may vary. */
export interface OnnxPort {
  name: string;
  dtype: OnnxDType;
  dims: readonly (number | string)[];
}

export interface OnnxModel {
  name: string;
  nodes: OnnxNode[];
  initializers: Map<string, OnnxTensor>;
  inputs: OnnxPort[];
  outputs: OnnxPort[];
  /** Name of an output that is an empty sequence, before all others; for `running/in-place.ts`. */
  signal?: string;
  metadata: Record<string, string>;
}

export const OPSET = 21;
export const int = (value: number): OnnxAttribute => ({ type: 'int', value });
export const ints = (value: readonly number[]): OnnxAttribute => ({ type: 'ints', value });
export const float = (value: number): OnnxAttribute => ({ type: 'float', value });
export const floats = (value: readonly number[]): OnnxAttribute => ({ type: 'floats', value });
export const string = (value: string): OnnxAttribute => ({ type: 'string', value });
