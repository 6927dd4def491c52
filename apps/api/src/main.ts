/** The process of the API: reads the environment, starts, stops on a signal or when its supervisor is gone. */
import { loadConfig } from '@rela/config';
import { untilStopped } from '@rela/process';
import { startApi } from './server.js';

await untilStopped(() => startApi(loadConfig()), { name: 'API', graceSeconds: 10 });
