/** The process of the train worker: reads the environment, starts, stops on a signal or when its supervisor is gone. */
import { loadConfig } from '@rela/config';
import { untilStopped } from '@rela/process';
import { startTrainWorker } from './index.js';

await untilStopped((signal) => startTrainWorker(loadConfig(), signal), {
  name: 'train worker',
  graceSeconds: 30,
});
