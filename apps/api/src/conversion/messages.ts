/** What passes between the service and the process that converts one TF.js model. */

export interface ConversionWork {
  /** Files of the model: plain name and path. */
  files: [name: string, path: string][];
  /** Where the ONNX file goes. */
  target: string;
  /** What the files that are read may have together. */
  maxBytes: number;
  /** Output, layer or node; absent: all outputs. */
  output?: string;
  /** [H, W, C], where the request says it. */
  image: (number | undefined)[];
}

export type ConversionReply =
  | { kind: 'converted' }
  /** `code` is the engine's, where it has named the fault. */
  | { kind: 'refused'; code: string; reason: string }
  /** Names of the sides of an image that neither the model nor the request says. */
  | { kind: 'unknown-sizes'; sizes: string[] };
