/** The process of the API: reads the environment, starts, and stops on a signal or when its supervisor is gone. */
import { loadConfig } from '@rela/config';
import { startApi } from './server.js';

/** A stop that takes longer than this is not waited for. */
const GRACE = 10_000;

const stopRequested = new Promise<void>((resolve) => {
  process.once('SIGTERM', () => resolve());
  process.once('SIGINT', () => resolve());
  process.once('disconnect', () => resolve());
});

try {
  const api = await startApi(loadConfig());
  process.send?.({ type: 'ready', url: api.url });
  await stopRequested;
  setTimeout(() => process.exit(1), GRACE).unref();
  await api.stop();
} catch (error) {
  process.stderr.write(`The API cannot run. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
if (process.connected) process.disconnect();
