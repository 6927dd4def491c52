/**
 * Data parallel training (Li et al., "PyTorch Distributed", VLDB 2020, section 2.2): every replica has the whole state and looks at a
 * part of each batch; all of them move by the mean of their gradients, and so stay alike. The step is that of the same parts
 * accumulated in one process. Running statistics are each replica's own, and so is what a method keeps of earlier batches.
 */
import type { HostTensors, StepFunction, TensorSpec, Tensors } from '@rela/engine';
import { isAccumulated } from './accumulation.js';
import { only, under, within } from './names.js';
import type { Phase } from './phase-rule.js';
import type { TrainingPlan } from './training-plan.js';

const GRADIENT = 'gradient.';
const EARLIER = 'earlier.';

export interface ReplicaSteps {
  /** What a run begins with: the plan's state without the sums that one process would accumulate in. */
  state: HostTensors;
  /** Inputs of `look`: those of the plan's step, for a part of the batch. */
  batchSpecs: Record<string, TensorSpec>;
  /** Moves nothing but running statistics. Metrics: those of the plan's step; gradient.* of every parameter that is trained. */
  look: StepFunction;
  /** The update by gradients; inputs gradient.* and what `scalars` gives. */
  move: StepFunction;
  /**
   * `move` with the gradients and scalars of the step before, given under earlier.*, then `look`: a run of them is `look`, these, `move`.
   * One graph with one state, where two would copy the weights from one to the other in every step.
   */
  moveAndLook: StepFunction;
  /** Inputs of `move` under earlier.*. @param gradients as in the metrics of `look`, averaged over the replicas */
  earlier(gradients: HostTensors, scalars: HostTensors): HostTensors;
}

/** @param plan of as many parts as there are replicas; each gets one of every batch, with the scalars of part 1 */
export function replicaSteps(plan: TrainingPlan, phase: Phase): ReplicaSteps {
  const look: StepFunction = (state, batch) => {
    const { gradients, carried, metrics } = plan.look(phase, state, batch);
    return { state: carried, metrics: { ...metrics, ...under(GRADIENT, gradients) } };
  };
  const move: StepFunction = (state, batch) => ({
    state: plan.move(phase, state, within(batch, GRADIENT), batch),
    metrics: {},
  });
  return {
    state: only(plan.initialState(), (key) => !isAccumulated(key)),
    batchSpecs: plan.batchSpecs(phase),
    look,
    move,
    moveAndLook: (state, batch) => {
      const moved: Tensors = move(state, within(batch, EARLIER)).state;
      const looked = look({ ...state, ...moved }, batch);
      return { state: { ...moved, ...looked.state }, metrics: looked.metrics };
    },
    earlier: (gradients, scalars) => under(EARLIER, { ...gradients, ...scalars }),
  };
}

/** The gradients among the metrics of a step. */
export const gradientsOf = (metrics: HostTensors): HostTensors =>
  only(metrics, (key) => key.startsWith(GRADIENT));
