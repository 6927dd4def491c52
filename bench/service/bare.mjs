// Starts bare-worker.mjs, and opens a queue for it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openBare, QUEUE } from './bullmq.mjs';

const script = fileURLToPath(new URL('./bare-worker.mjs', import.meta.url));

/** @param options.onLine hears what the worker says */
export async function startBare({ url, concurrency, tell, onLine }) {
  const child = spawn(process.execPath, [script, JSON.stringify({ url, concurrency, tell })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = JSON.parse(line);
      if (told.ready) resolve();
      else onLine(told);
    });
  });
  const { Queue, connection } = openBare(url);
  const queue = new Queue(QUEUE, {
    connection,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  });
  queue.on('error', () => undefined);
  await queue.waitUntilReady();
  return {
    queue,
    async stop() {
      await queue.close();
      child.stdin.end();
    },
  };
}
