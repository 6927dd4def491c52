/** The process of the train worker: reads the environment, starts, stops on a signal. */
import { loadConfig } from '@rela/config';
import { untilStopped } from '@rela/worker';
import { startTrainWorker } from './index.js';

await untilStopped((signal) => startTrainWorker(loadConfig(), signal));
