/** The process of the embed worker: reads the environment, starts, stops on a signal or when its supervisor is gone. */
import { loadConfig } from '@rela/config';
import { untilStopped } from '@rela/process';
import { startEmbedWorker } from './index.js';

await untilStopped((signal) => startEmbedWorker(loadConfig(), signal), {
  name: 'embed worker',
  graceSeconds: 30,
});
