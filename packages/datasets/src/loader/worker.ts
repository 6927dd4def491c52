/** The thread of a loader: makes the parts that it is told to, one after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { BatchMaker } from './batch-maker.js';
import { fromFailure, toFailure } from './failure.js';
import type { FromWorker, Part, ToWorker, WorkerSetup } from './messages.js';

interface Waiting {
  resolve(path: string): void;
  reject(error: Error): void;
}

const waiting = new Map<string, Waiting[]>();

function tell(message: FromWorker): void {
  parentPort?.postMessage(message);
}

/** The main thread knows where artifacts are. */
function resolvePath(digest: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const others = waiting.get(digest) ?? [];
    waiting.set(digest, [...others, { resolve, reject }]);
    if (others.length === 0) tell({ type: 'resolve', digest });
  });
}

function settle(digest: string, how: (one: Waiting) => void): void {
  const all = waiting.get(digest) ?? [];
  waiting.delete(digest);
  for (const one of all) how(one);
}

const maker = new BatchMaker(workerData as WorkerSetup, resolvePath);
let last = Promise.resolve();

async function make(part: Part): Promise<void> {
  const { batch, generation } = part;
  try {
    await maker.make(part);
    tell({ type: 'made', batch, generation });
  } catch (error) {
    tell({ type: 'failed', batch, generation, failure: toFailure(error) });
  }
}

parentPort?.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'make':
      last = last.then(() => make(message.part));
      return;
    case 'resolved':
      settle(message.digest, ({ resolve }) => resolve(message.path));
      return;
    case 'unresolved':
      settle(message.digest, ({ reject }) => reject(fromFailure(message.failure)));
      return;
    default:
      message satisfies never;
  }
});
