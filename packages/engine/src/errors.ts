/** What can go wrong between a TF.js function and a running graph. Every text names the op, the line and the way out. */

/**
 * - `unsupported-op`: an op that cannot be recorded, or has no translation
 * - `data-dependent`: a step that reads a value, draws a random number or waits
 * - `bad-result`: a step that returns something else than named tensors
 * - `variable-assigned`: a step that writes into a variable
 * - `disposed-tensor`, `kept-tensor`: a captured tensor that is gone, or that is left from an earlier recording
 * - `outside-step`: TF.js that is used outside a step, with no backend of its own to compute on
 * - `shape-changed`, `state-mismatch`: a batch or a state that is not what the step was compiled for
 * - `step-busy`, `step-disposed`: a step that is used while it runs, or after its end
 * - `bad-option`: an option or a shape that no step can have
 * - `unknown-plan`: a stored plan with kernels that this version does not have
 * - `engine-unavailable`: a library or a device that is missing
 * - `invalid-model`, `unknown-output`: a TF.js model that cannot be read, or has no such output
 * - `fixed-batch`, `unknown-size`: a function that needs the number of images, or a size that only the numbers tell
 */
export type EngineErrorCode =
  | 'unsupported-op'
  | 'data-dependent'
  | 'bad-result'
  | 'variable-assigned'
  | 'disposed-tensor'
  | 'kept-tensor'
  | 'outside-step'
  | 'shape-changed'
  | 'state-mismatch'
  | 'step-busy'
  | 'step-disposed'
  | 'bad-option'
  | 'unknown-plan'
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
