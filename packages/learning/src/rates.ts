/** The scalars of a run that change from step to step: the learning rate, the momentum of a slow network, the weight of a blend. */
import type { BlendSpec, ScheduleSpec, Training } from '@rela/contracts';

/** How long a run is, as far as it is known before it begins. */
export interface RunLength {
  stepsPerEpoch: number;
  /** Steps of all epochs, or fewer where a budget of steps or images ends the run before. */
  totalSteps: number;
}

/** Batch size that a learning rate is said for where it is scaled (Goyal et al. 2017, section 2.1). */
const REFERENCE_BATCH = 256;

/** The step at which a warm-up has reached the learning rate; 0 without one. */
export function warmupSteps(warmupEpochs: number, stepsPerEpoch: number): number {
  return Math.round(warmupEpochs * stepsPerEpoch);
}

/**
 * η of a step, which counts from 1. With warm-up of W steps, T steps in all and η₀ the optimizer's own rate (times
 * batchSize / 256 where it is scaled):
 *   t ≤ W:     η₀ · t / W
 *   constant:  η₀
 *   cosine:    η₀ · (f + (1 − f) · ½(1 + cos(π·p)))      linear:  η₀ · (1 − (1 − f)·p)      p = (t − W − 1) / (T − W)
 * f is the share that is left at the end. The cosine is that of Loshchilov and Hutter, "SGDR" (ICLR 2017), without restarts,
 * stepped like torch's CosineAnnealingLR(T_max = T − W): the first step behind the warm-up has all of η₀.
 * @param run needed by every schedule but a constant one without warm-up
 */
export function learningRates(
  { optimizer, batchSize, schedule }: Pick<Training, 'optimizer' | 'batchSize' | 'schedule'>,
  run: RunLength | undefined,
): (step: number) => number {
  const scale = optimizer.scaling === 'linear' ? batchSize / REFERENCE_BATCH : 1;
  const full = optimizer.learningRate * scale;
  if (!schedule || (schedule.name === 'constant' && schedule.warmupEpochs === 0)) return () => full;
  const { stepsPerEpoch, totalSteps } = known(run, 'schedule');
  const { name, warmupEpochs, final } = schedule;
  const warmup = warmupSteps(warmupEpochs, stepsPerEpoch);
  return (step) => {
    if (step <= warmup) return (full * step) / warmup;
    const progress = (step - warmup - 1) / Math.max(1, totalSteps - warmup);
    return full * shareAt(name, final, progress);
  };
}

/** What is left of a scheduled value at a share of its way, from 0 to 1. */
function shareAt(name: ScheduleSpec['name'], final: number, progress: number): number {
  switch (name) {
    case 'constant':
      return 1;
    case 'cosine':
      return final + ((1 - final) * (1 + Math.cos(Math.PI * progress))) / 2;
    case 'linear':
      return 1 - (1 - final) * progress;
    default:
      return name satisfies never;
  }
}

/**
 * w of a blend in a step of the method's own loss: the whole weight at its first step, on its schedule's way to the share that is left.
 * @param at.step from 1, the first with the method's own loss, of `at.totalSteps` of them
 */
export function blendWeight(
  { weight, schedule, final }: BlendSpec,
  { step, totalSteps }: { step: number; totalSteps: number },
): number {
  return weight * shareAt(schedule, final, Math.min(1, (step - 1) / Math.max(1, totalSteps)));
}

/**
 * Momentum m of the slow network in a step, which counts from 1, of T: with a cosine schedule
 * 1 − (1 − m₀) · (cos(π·(t − 1)/T) + 1)/2, from m₀ to 1 (Grill et al. 2020, section 3.3).
 * @returns null where the method's own constant holds
 */
export function slowMomenta(
  { ema, method }: Pick<Training, 'ema' | 'method'>,
  run: RunLength | undefined,
): ((step: number) => number) | null {
  if (!ema) return null;
  const base = ema.base ?? ('momentum' in method ? method.momentum : 1);
  if (ema.schedule === 'constant') return () => base;
  const { totalSteps } = known(run, 'ema.schedule');
  return (step) => 1 - ((1 - base) * (Math.cos((Math.PI * (step - 1)) / totalSteps) + 1)) / 2;
}

function known(run: RunLength | undefined, what: string): RunLength {
  if (run) return run;
  throw new RangeError(`The ${what} of this run depends on its length; give the plan its length.`);
}
