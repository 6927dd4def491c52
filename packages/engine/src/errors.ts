/** What can go wrong between a TF.js function and a running graph. Every text names the op, the line and the way out. */

export type EngineErrorCode =
  | 'unsupported-op'
  | 'data-dependent'
  | 'shape-changed'
  | 'state-mismatch'
  | 'disposed-tensor'
  | 'engine-unavailable'
  | 'fixed-batch'
  | 'invalid-model'
  | 'unknown-output'
  | 'unknown-size';

interface EngineErrorOptions extends ErrorOptions {
  op?: string;
}

export class EngineError extends Error {
  override readonly name = 'EngineError';
  /** Of `unsupported-op`: the op, and what of it, without where it was called. */
  readonly op: string | undefined;

  constructor(
    readonly code: EngineErrorCode,
    message: string,
    options: EngineErrorOptions = {},
  ) {
    super(message, options);
    this.op = options.op;
  }
}
