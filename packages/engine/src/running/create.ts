/** Chooses the engine. */
import { type CompiledOptions, createCompiledEngine } from './compiled.js';
import { createEagerEngine, hasTensorFlowGpu } from './eager.js';
import type { Engine } from './engine.js';
import { guarded } from './guard.js';

export interface EngineOptions {
  /** `auto` takes tfjs-node-gpu where a GPU answers, else compiled. */
  engine: 'auto' | 'compiled' | 'eager';
  /** Threads of one step; all processors where absent. */
  threads?: number;
  /** Whether the compiled engine may use ONNX Runtime's blocked convolutions. Default true. */
  blocked?: boolean;
  /**
   * Which kernels the compiled engine takes for convolutions. `fixed`: the same on every machine. `measured`: the fastest here,
   * which are timed once a shape. A plan: what it says, for runs that are to be repeated; the fixed one for the rest.
   */
  plan?: CompiledOptions['plan'];
  /** `strict` leaves out the least accurate kernels. Default `fast`. */
  precision?: CompiledOptions['precision'];
  /** TF.js backend of the eager engine. */
  backend?: string;
}

/** @throws EngineError `engine-unavailable` with the command that installs what is missing */
export async function createEngine({
  engine,
  threads,
  backend,
  blocked = true,
  plan,
  precision,
}: EngineOptions): Promise<Engine> {
  const eager = engine === 'eager' || (engine === 'auto' && hasTensorFlowGpu());
  if (eager) return guarded(await createEagerEngine(backend === undefined ? {} : { backend }));
  const compiled = await createCompiledEngine({
    blocked,
    ...(threads === undefined ? {} : { threads }),
    ...(plan === undefined ? {} : { plan }),
    ...(precision === undefined ? {} : { precision }),
  });
  return guarded(compiled);
}
