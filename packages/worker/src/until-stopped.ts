/** The life of a process: start, say so to a supervising parent, and stop in order on a signal or when that parent is gone. */

/** Time to hand work back before the process ends anyway. */
const GRACE_MS = 30_000;

export interface Stoppable {
  stop(): Promise<void>;
}

/** @param start gets a signal that is aborted where the process has to stop before it is up */
export async function untilStopped(start: (signal: AbortSignal) => Promise<Stoppable>): Promise<void> {
  const stopping = new AbortController();
  const requestStop = () => stopping.abort();
  process.once('SIGTERM', requestStop);
  process.once('SIGINT', requestStop);
  process.once('disconnect', requestStop);
  try {
    const running = await start(stopping.signal);
    process.send?.({ type: 'ready' });
    if (!stopping.signal.aborted)
      await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve, { once: true }));
    setTimeout(() => process.exit(1), GRACE_MS).unref();
    await running.stop();
  } catch (error) {
    // Stopped while it waited for a server: nothing had begun.
    if (!stopping.signal.aborted) {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  }
  if (process.connected) process.disconnect();
}
