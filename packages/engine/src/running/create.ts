/** Chooses the engine. */
import { type CompiledOptions, createCompiledEngine } from './compiled.js';
import { createEagerEngine, hasTensorFlowGpu } from './eager.js';
import type { Engine } from './engine.js';

export interface EngineOptions {
  /** `auto` takes tfjs-node-gpu where a GPU answers, else compiled. */
  engine: 'auto' | 'compiled' | 'eager';
  /** Threads of one step; all processors where absent. */
  threads?: number;
  /** Whether the compiled engine may use ONNX Runtime's blocked convolutions. Default true. */
  blocked?: boolean;
  choose?: CompiledOptions['choose'];
  /** TF.js backend of the eager engine. */
  backend?: string;
}

/** @throws EngineError `engine-unavailable` with the command that installs what is missing */
export async function createEngine({
  engine,
  threads,
  backend,
  blocked = true,
  choose,
}: EngineOptions): Promise<Engine> {
  const eager = engine === 'eager' || (engine === 'auto' && hasTensorFlowGpu());
  if (eager) return createEagerEngine(backend === undefined ? {} : { backend });
  return createCompiledEngine({
    blocked,
    ...(threads === undefined ? {} : { threads }),
    ...(choose ? { choose } : {}),
  });
}
