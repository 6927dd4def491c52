export { EngineError, type EngineErrorCode } from './errors.js';
export { type ExportOptions, exportOnnx } from './export.js';
export * as ops from './ops/index.js';
export type { Candidate, Plan, Precision } from './plan/plan.js';
export { createEngine, type EngineOptions } from './running/create.js';
export type { Engine, Step } from './running/engine.js';
export type { DType, HostTensor, HostTensors, StepFunction, TensorSpec, Tensors } from './tensors.js';
export { tf } from './tf.js';
