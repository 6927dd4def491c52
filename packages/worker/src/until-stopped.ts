/** The life of a process: start, say so to a supervising parent, and stop in order on a signal or when that parent is gone. */

/** Time to hand work back before the process ends anyway. */
const GRACE_MS = 30_000;

export async function untilStopped(start: () => Promise<{ stop(): Promise<void> }>): Promise<void> {
  let requested: () => void = () => undefined;
  const stopping = new Promise<void>((resolve) => {
    requested = resolve;
  });
  process.once('SIGTERM', requested);
  process.once('SIGINT', requested);
  process.once('disconnect', requested);
  let running: { stop(): Promise<void> };
  try {
    running = await start();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
    if (process.connected) process.disconnect();
    return;
  }
  process.send?.({ type: 'ready' });
  await stopping;
  setTimeout(() => process.exit(1), GRACE_MS).unref();
  await running.stop();
  if (process.connected) process.disconnect();
}
