// BullMQ as it comes, in a process of its own: a worker whose jobs return at once. Its only argument: { url, concurrency, tell } as JSON. It says
// when it is ready, then of every job when it started, where `tell` asks for that, and else how many are done, ten times a second.
import { createInterface } from 'node:readline';
import { openBare, QUEUE } from './bullmq.mjs';
import { now } from './clock.mjs';

const { url, concurrency, tell } = JSON.parse(process.argv[2]);
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
let done = 0;

const { Worker, connection } = openBare(url);
const worker = new Worker(
  QUEUE,
  async ({ data: { number } }) => {
    if (tell) answer({ number, at: now() });
    done += 1;
  },
  { connection, concurrency },
);
worker.on('error', (error) => process.stderr.write(`${error.message}\n`));
await worker.waitUntilReady();
answer({ ready: true });
if (!tell) {
  let told = 0;
  setInterval(() => {
    if (told === done) return;
    told = done;
    answer({ done });
  }, 20).unref();
}
for await (const _ of createInterface({ input: process.stdin }));
await worker.close();
