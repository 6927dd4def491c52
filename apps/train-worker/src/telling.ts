/** What a run tells its worker, in an order from which the worker can go on at any point. */
import type { RunMetric } from '@rela/contracts';
import type { TrainObserver } from '@rela/stages';
import type { FromChild } from './messages.js';

/** Metrics travel in batches: at most this long do they wait. */
const METRICS_MS = 1000;
const PROGRESS_MS = 250;

export type Tell = (message: FromChild) => Promise<void>;

/** Sends at most one message an interval, and the last one when flushed. */
function throttled<T>(intervalMs: number, send: (value: T) => Promise<void>) {
  let held: { value: T } | null = null;
  let sentAt = Number.NEGATIVE_INFINITY;
  const flush = async () => {
    if (!held) return;
    const { value } = held;
    held = null;
    sentAt = performance.now();
    await send(value);
  };
  return {
    put(value: T) {
      held = { value };
      if (performance.now() - sentAt >= intervalMs) void flush();
    },
    flush,
  };
}

export interface Telling extends TrainObserver {
  progress(done: number, total: number, unit: string): void;
  /** Sends what waits. */
  flush(): Promise<void>;
}

export function createTelling(tell: Tell): Telling {
  const progress = throttled<{ done: number; total: number; unit: string }>(PROGRESS_MS, (value) =>
    tell({ type: 'progress', ...value }),
  );
  let pending: RunMetric[] = [];
  const metrics = throttled<null>(METRICS_MS, () => {
    const batch = pending;
    pending = [];
    return tell({ type: 'metrics', metrics: batch });
  });
  return {
    progress: (done, total, unit) => progress.put({ done, total, unit }),
    metric(metric) {
      pending.push(metric);
      metrics.put(null);
    },
    switched: (step) => void tell({ type: 'switch', step }),
    checkpoint(written) {
      // Before it: who goes on from this checkpoint makes none of the steps again whose metrics still wait.
      void metrics.flush();
      void tell({ type: 'checkpoint', ...written });
    },
    warn: (text) => void tell({ type: 'warning', text }),
    async flush() {
      await metrics.flush();
      await progress.flush();
    },
  };
}
