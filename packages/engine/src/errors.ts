/** What can go wrong between a TF.js function and a running graph. Every text names the op, the line and the way out. */

export type EngineErrorCode =
  | 'unsupported-op'
  | 'data-dependent'
  | 'shape-changed'
  | 'state-mismatch'
  | 'disposed-tensor'
  | 'engine-unavailable'
  | 'unknown-plan';

export class EngineError extends Error {
  override readonly name = 'EngineError';
  constructor(
    readonly code: EngineErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
