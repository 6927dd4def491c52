/** The life of a process: start, say so to a supervising parent, and stop in order on a signal or when that parent is gone. */

export interface Stoppable {
  stop(): Promise<void>;
  /** Where it listens, for the parent. */
  url?: string;
}

export interface LifeOptions {
  /** What cannot run, in the sentence that says why. */
  name: string;
  /** Time to stop in order before the process ends anyway. */
  graceSeconds: number;
}

/** @param start gets a signal that is aborted where the process has to stop before it is up */
export async function untilStopped(
  start: (signal: AbortSignal) => Promise<Stoppable>,
  { name, graceSeconds }: LifeOptions,
): Promise<void> {
  const stopping = new AbortController();
  const requestStop = () => stopping.abort();
  process.once('SIGTERM', requestStop);
  process.once('SIGINT', requestStop);
  process.once('disconnect', requestStop);
  // A parent that died while this process was still loading: nobody would say so again.
  if (process.send && !process.connected) requestStop();
  try {
    const running = await start(stopping.signal);
    if (process.connected)
      process.send?.({ type: 'ready', ...(running.url === undefined ? {} : { url: running.url }) });
    if (!stopping.signal.aborted)
      await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve, { once: true }));
    setTimeout(() => process.exit(1), graceSeconds * 1000).unref();
    await running.stop();
  } catch (error) {
    // Stopped while it waited for a server: nothing had begun.
    if (!stopping.signal.aborted) {
      const reason = error instanceof Error ? error.message : String(error);
      process.stderr.write(`The ${name} cannot run. ${reason}\n`);
      process.exitCode = 1;
    }
  }
  if (process.connected) process.disconnect();
}
