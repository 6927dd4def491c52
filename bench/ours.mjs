// Our side of a training step: the plan of a run, compiled, on random images.
import { createEngine } from '@rela/engine';
import { createCompiledEngine } from '../packages/engine/dist/running/compiled.js';
import { batchOf, planOf } from './work.mjs';

export const THREADS = 2;

/**
 * @param work as planOf and steps.py read it
 * @param options of createEngine; the compiled engine with its fixed plan where they are absent. `without`, names of passes to leave
 * out, is no option of the package
 */
export async function startOurs(work, { without, ...options } = {}) {
  const planned = planOf(work);
  const { plan, phase } = planned;
  const given = { threads: THREADS, plan: 'fixed', ...options };
  const engine = without
    ? await createCompiledEngine({ ...given, without })
    : await createEngine({ engine: 'compiled', ...given });
  const state = plan.initialState();
  const began = performance.now();
  const step = await engine.compile(plan.step(phase), state, plan.batchSpecs(phase), { takeState: true });
  const compileSeconds = (performance.now() - began) / 1000;
  const tensors = batchOf(planned);
  return {
    compileSeconds,
    flops: step.flops,
    plan: step.plan,
    /** Seconds of one step. */
    async step() {
      const start = performance.now();
      const { loss } = await step.run(tensors);
      if (!Number.isFinite(loss.data[0])) throw new Error(`The loss of the benchmark is ${loss.data[0]}.`);
      return (performance.now() - start) / 1000;
    },
    async stop() {
      await step.dispose();
      await engine.dispose();
    },
  };
}
