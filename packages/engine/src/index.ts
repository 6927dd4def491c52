import './no-telemetry.js';

export { type CompileOptions, compile } from './compile.js';
export { EngineError, type EngineErrorCode } from './errors.js';
export { type ExportOptions, exportOnnx } from './export.js';
export * as winograd from './graph/winograd-matrices.js';
export { chooseEngine } from './machine/choose-engine.js';
export { type EngineListing, listEngines } from './machine/list-engines.js';
export { MODEL_FILE, type ModelFiles } from './model/artifacts.js';
export { type ImageModel, loadModel, type ModelExportOptions } from './model/load.js';
export type { ModelInput } from './model/predictor.js';
export * as ops from './ops/index.js';
export { type Candidate, type Plan, type Precision, parsePlan } from './plan/plan.js';
export { createEngine, type EngineOptions } from './running/create.js';
export { ENGINE_NAMES, type Engine, type EngineName, type Step, type StepOptions } from './running/engine.js';
export { partOf, stack } from './running/unrolled.js';
export type { DType, HostTensor, HostTensors, StepFunction, TensorSpec, Tensors } from './tensors.js';
export { tf } from './tf.js';
