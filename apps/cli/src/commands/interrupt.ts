/** Ctrl-C while something is awaited: the waiting ends, what the service does goes on. */
import { Interrupted } from '../output/failure.js';

/** Runs `work` with a signal that Ctrl-C aborts. @throws Interrupted with `goesOn`, or what the work throws */
export async function untilInterrupted<T>(
  goesOn: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? new Interrupted(goesOn) : error;
  } finally {
    process.removeListener('SIGINT', abort);
    process.removeListener('SIGTERM', abort);
  }
}
