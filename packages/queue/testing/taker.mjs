// A worker process that takes one message and never ends it: the tests kill it in the middle. Needs the built package.
import { consume } from '../dist/index.js';

const [url, kind] = process.argv.slice(2);
await consume(url, [kind], {
  concurrency: {},
  lockSeconds: 1,
  onMessage: (message) => {
    process.send?.(message);
    return new Promise(() => undefined);
  },
  onError: (error) => process.stderr.write(`${error.message}\n`),
});
