/** A bell that ends a pause early. One that is rung while nobody waits ends the next pause at once. */
import { rest } from './rounds.js';

export class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves when rung, when the time is over, or when `signal` is aborted. */
  async wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung) {
      const heard = new AbortController();
      this.#wake = () => heard.abort();
      await rest(milliseconds, AbortSignal.any([signal, heard.signal]));
      this.#wake = null;
    }
    this.#rung = false;
  }
}
