/** The process of the orchestrator: reads the environment, starts, stops on a signal or when its supervisor is gone. */
import { loadConfig } from '@rela/config';
import { untilStopped } from '@rela/process';
import { startOrchestrator } from './index.js';

await untilStopped((signal) => startOrchestrator(loadConfig(), { signal }), {
  name: 'orchestrator',
  graceSeconds: 10,
});
