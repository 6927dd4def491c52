// A worker process that takes messages and works on them until it is killed or told to close. Needs the built package.
import { once } from 'node:events';
import { consume } from '../dist/index.js';

const [url, kind] = process.argv.slice(2);
const consumer = await consume(url, [kind], {
  concurrency: {},
  lockSeconds: 1,
  onMessage: async (message, _kind, signal) => {
    process.send?.(message);
    await once(signal, 'abort');
    throw signal.reason;
  },
  onError: (error) => process.stderr.write(`${error.message}\n`),
});
process.once('message', async () => {
  await consumer.close(0);
  process.disconnect();
});
