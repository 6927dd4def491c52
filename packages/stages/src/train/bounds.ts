/**
 * When a training is over: after its epochs, or at the first bound of its budget. The bounds are of the whole run: with ReLA
 * both phases draw on them, as long as the switch rule lasts the one, then the other.
 */
import type { BudgetSpec, EndedBy } from '@rela/contracts';
import type { Progression } from './checkpoint.js';
import type { Schedule } from './schedule.js';

type Spent = Pick<Progression, 'step' | 'flops'> & { seconds: number };

export interface Bounds {
  /**
   * The bound that is reached, if there is one.
   * @param next FLOPs of the step that would come next: a budget of FLOPs is never overdrawn
   */
  reached(spent: Spent, next: number): EndedBy | null;
  /** How many more steps of `next` FLOPs each there is room for, seconds aside: those are only known when they are spent. */
  room(spent: Pick<Spent, 'step' | 'flops'>, next: number): number;
  /** Steps that the run will have had, as far as can be told. */
  expectedSteps(spent: Spent): number;
}

export function createBounds(
  { totalSteps, endedBy }: Pick<Schedule, 'totalSteps' | 'endedBy'>,
  budget: BudgetSpec | undefined,
): Bounds {
  const { seconds = Number.POSITIVE_INFINITY, flops = Number.POSITIVE_INFINITY } = budget ?? {};
  return {
    reached(spent, next) {
      if (spent.step >= totalSteps) return endedBy;
      // One step is made, however short the time.
      if (spent.step > 0 && spent.seconds >= seconds) return 'seconds';
      return spent.flops + next > flops ? 'flops' : null;
    },
    room: (spent, next) => Math.min(totalSteps - spent.step, Math.floor((flops - spent.flops) / next)),
    expectedSteps(spent) {
      const share = Math.max(spent.seconds / seconds, spent.flops / flops);
      return share > 0
        ? Math.max(spent.step, Math.min(totalSteps, Math.ceil(spent.step / share)))
        : totalSteps;
    },
  };
}
