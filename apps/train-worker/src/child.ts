/** The child process that runs the step loop: one training or evaluation, then it ends. */
import { join } from 'node:path';
import { ProblemError, type StageResult } from '@rela/contracts';
import { createEngine, type Engine } from '@rela/engine';
import { withScratch } from '@rela/process';
import { evaluate, finetune, type StageTools, train } from '@rela/stages';
import { openStore } from '@rela/storage';
import { type FromChild, ToChild, type Work } from './messages.js';
import { createTelling } from './telling.js';

function tell(message: FromChild): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

async function judge(
  request: Extract<Work, { type: 'evaluate' }>,
  engine: Engine,
  tools: StageTools,
): Promise<StageResult> {
  const { input, manifest, model, weights, threads, precision, transfer, home } = request;
  const { training, task } = input;
  const judged = async (scratch: string) => {
    const common = { training, manifest, engine, threads, precision, scratch };
    if (task?.kind === 'finetune')
      return {
        ...(await finetune({ ...common, share: task.share, weights, loaderThreads: 1 }, tools)),
        task,
      };
    const other = transfer ? { transfer } : {};
    return { ...(await evaluate({ ...common, ...other, model }, tools)), ...(task ? { task } : {}) };
  };
  // Features of a large data set need the disk that the user has given.
  return withScratch('evaluate', judged, join(home, 'cache', 'scratch'));
}

async function work(request: Work, signal: AbortSignal): Promise<void> {
  const store = openStore(request.storageUrl, { cacheFolder: join(request.home, 'cache') }).ownedBy(
    request.owner,
  );
  const engine = await createEngine({
    engine: request.engine,
    threads: request.threads,
    plan: request.kernels,
    precision: request.precision,
    cacheFolder: join(request.home, 'cache', 'engine'),
  });
  const telling = createTelling(tell);
  const tools: StageTools = {
    store,
    signal,
    progress: telling.progress,
  };
  try {
    if (request.type === 'evaluate') {
      await tell({ type: 'result', result: await judge(request, engine, tools) });
      return;
    }
    const { input, manifest, targets, checkpoints, checkpointSeconds } = request;
    const result = await train(
      {
        training: input.training,
        manifest,
        targets,
        engine,
        checkpoints,
        checkpointSeconds,
        loaderThreads: 1,
        continueFrom: input.continueFrom,
        init: input.init,
      },
      telling,
      tools,
    );
    await telling.flush();
    await tell({ type: 'result', result });
  } catch (error) {
    await telling.flush();
    throw error;
  } finally {
    await engine.dispose();
  }
}

async function main(request: Work, stop: AbortController): Promise<void> {
  try {
    await work(request, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) await tell({ type: 'stopped' });
    else if (error instanceof ProblemError)
      await tell({ type: 'failed', code: error.code, detail: error.detail });
    else
      await tell({
        type: 'failed',
        code: null,
        detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
  }
  process.disconnect();
}

const stop = new AbortController();
// A worker that is gone cannot commit anything: there is nothing left to work for.
process.once('disconnect', () => process.exit(0));
// Ctrl-C in a terminal reaches the whole process group; the worker decides when the child stops.
process.on('SIGINT', () => undefined);
process.on('message', (raw) => {
  const message = ToChild.parse(raw);
  if (message.type === 'stop') stop.abort(new Error('stopped'));
  else void main(message, stop);
});
