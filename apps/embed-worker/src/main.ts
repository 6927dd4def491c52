/** The process of the embed worker: reads the environment, starts, stops on a signal. */
import { loadConfig } from '@rela/config';
import { untilStopped } from '@rela/worker';
import { startEmbedWorker } from './index.js';

await untilStopped((signal) => startEmbedWorker(loadConfig(), signal));
