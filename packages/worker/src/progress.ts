/** Progress of one attempt: how much is done, how fast, how long it takes still. */
import type { Progress } from '@rela/contracts';

/** Weight of the newest rate in the moving average; at one report a second about ten seconds count. */
const SMOOTHING = 0.2;

export class ProgressMeter {
  private last: { done: number; at: number } | null = null;
  private rate: number | null = null;

  /** @param now milliseconds of a clock that never goes back */
  report(done: number, total: number, unit: string, now: number): Progress {
    if (this.last && now > this.last.at && done >= this.last.done) {
      const current = ((done - this.last.done) * 1000) / (now - this.last.at);
      this.rate = this.rate === null ? current : this.rate + SMOOTHING * (current - this.rate);
    }
    this.last = { done, at: now };
    const secondsLeft = this.rate ? (total - done) / this.rate : null;
    return { done, total, unit, rate: this.rate, secondsLeft };
  }
}
