/** The process of the orchestrator: reads the environment, starts, and stops on a signal or when its supervisor is gone. */
import { loadConfig } from '@rela/config';
import { startOrchestrator } from './index.js';

/** A stop that takes longer than this is not waited for. */
const GRACE_MS = 10_000;

const stopping = new AbortController();
const requestStop = () => stopping.abort();
process.once('SIGTERM', requestStop);
process.once('SIGINT', requestStop);
process.once('disconnect', requestStop);

try {
  const orchestrator = await startOrchestrator(loadConfig(), { signal: stopping.signal });
  process.send?.({ type: 'ready' });
  if (!stopping.signal.aborted)
    await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve, { once: true }));
  setTimeout(() => process.exit(1), GRACE_MS).unref();
  await orchestrator.stop();
} catch (error) {
  // Stopped while it waited for a server: nothing had begun.
  if (!stopping.signal.aborted) {
    process.stderr.write(
      `The orchestrator cannot run. ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  }
}
if (process.connected) process.disconnect();
