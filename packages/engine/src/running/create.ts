/** Chooses the engine. */
import { chooseEngine } from '../machine/choose-engine.js';
import { type CompiledOptions, createCompiledEngine } from './compiled.js';
import { createDeviceEngine } from './device.js';
import { createEagerEngine } from './eager.js';
import type { Engine, EngineName } from './engine.js';
import { guarded } from './guard.js';

export interface EngineOptions {
  /** `auto`, the default, takes a GPU where one answers that is worth it, else compiled (`chooseEngine`). */
  engine?: 'auto' | EngineName;
  /** Threads of one step; all processors where absent. */
  threads?: number;
  /** Whether the compiled engine may use ONNX Runtime's blocked convolutions. Default true. */
  blocked?: boolean;
  /**
   * Which kernels the compiled engine takes for convolutions and matrix products. `fixed`: the same on every machine. `measured`: the fastest here,
   * which are timed once a shape. A plan: what it says, for runs that are to be repeated; the fixed one for the rest.
   */
  plan?: CompiledOptions['plan'];
  /** `strict` leaves out the least accurate kernels. Default `fast`. */
  precision?: CompiledOptions['precision'];
  /** Folder in which the compiled engine's steps, and the kernels that were the fastest here, outlive the process. */
  cacheFolder?: string;
  /** TF.js backend of the eager engine. */
  backend?: string;
}

/**
 * @throws EngineError `engine-unavailable` with what is missing and the command that installs it, `bad-option` for a name that no
 * engine has
 */
export async function createEngine({
  engine = 'auto',
  threads,
  backend,
  blocked = true,
  plan,
  precision,
  cacheFolder,
}: EngineOptions): Promise<Engine> {
  const name = await chooseEngine(engine, backend === undefined ? {} : { backend });
  switch (name) {
    case 'eager':
      return guarded(await createEagerEngine(backend === undefined ? {} : { backend }));
    case 'webgpu':
    case 'cuda':
      return guarded(createDeviceEngine(name));
    case 'compiled':
      return guarded(
        await createCompiledEngine({
          blocked,
          ...(threads === undefined ? {} : { threads }),
          ...(plan === undefined ? {} : { plan }),
          ...(precision === undefined ? {} : { precision }),
          ...(cacheFolder === undefined ? {} : { cacheFolder }),
        }),
      );
    default:
      return name satisfies never;
  }
}
