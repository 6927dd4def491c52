// A load generator in a process of its own: for every line on stdin it sends requests for some seconds, and says how long a thousand took.
// The only argument: { url, paths, method, body, headers, connections, seconds } as JSON; `paths` are asked for in turn.
import { createInterface } from 'node:readline';
import autocannon from 'autocannon';

const { url, paths, method, body, headers, connections, seconds } = JSON.parse(process.argv[2]);
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

answer({ ready: true });
for await (const _ of createInterface({ input: process.stdin })) {
  const result = await autocannon({
    ...{ url, connections, duration: seconds },
    requests: paths.map((path) => ({ method, path, headers, ...(body === undefined ? {} : { body }) })),
  });
  const { '2xx': done, errors, non2xx, duration } = result;
  if (errors > 0 || non2xx > 0) throw new Error(`${non2xx} answers were no success, ${errors} none at all.`);
  answer({ seconds: (1000 * duration) / done, count: done });
}
