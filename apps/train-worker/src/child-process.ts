/** Runs one piece of work in a child process, so that a step that blocks or crashes cannot take the worker's lease with it. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '@rela/config';
import { ProblemError, type StageResult } from '@rela/contracts';
import { type AttemptContext, StageStopped } from '@rela/worker';
import { FromChild, type Work } from './messages.js';

/** Time a child has to write its checkpoint before it is killed. */
const GRACE_MS = 20_000;

/**
 * For glibc; other C libraries pass over it. A step writes several hundred megabytes of activations: in huge pages that are kept
 * from step to step the first one takes half the time, the later ones the same.
 */
const ALLOCATOR = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1:glibc.malloc.trim_threshold=4294967296' };

/** A child that ended without a result: killed, out of memory, or a crash of native code. Another try may succeed. */
export class ChildDied extends Error {
  override readonly name = 'ChildDied';
  readonly code = 'child-died';
}

export type ChildEvent = Exclude<FromChild, { type: 'result' | 'stopped' | 'failed' | 'progress' }>;

const isForNothing = (reason: unknown) =>
  reason instanceof StageStopped && (reason.reason === 'cancelled' || reason.reason === 'lost');

/**
 * @param onEvent called one at a time, in order; what it throws ends the child
 * @throws ProblemError as the child named it; ChildDied; the reason of `context.signal`
 */
export async function runInChild(
  work: Work,
  context: AttemptContext,
  onEvent: (event: ChildEvent) => Promise<void>,
): Promise<StageResult> {
  const child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), {
    // A little garbage is better than a heap that grows to the limit between two steps.
    execArgv: ['--max-old-space-size=1024'],
    env: { ...ALLOCATOR, ...childEnvironment() },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  let result: StageResult | null = null;
  let failure: unknown = null;
  let events: Promise<void> = Promise.resolve();
  let killer: NodeJS.Timeout | undefined;

  const stop = () => {
    // Nothing that it writes counts any more, and a step may take longer than a user waits.
    if (isForNothing(context.signal.reason)) child.kill('SIGKILL');
    else if (child.connected) child.send({ type: 'stop' });
    killer ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  };
  child.on('message', (raw) => {
    const message = FromChild.parse(raw);
    switch (message.type) {
      case 'progress':
        context.progress(message.done, message.total, message.unit);
        return;
      case 'result':
        result = message.result;
        return;
      case 'stopped':
        return;
      case 'failed':
        failure = message.code ? new ProblemError(message.code, message.detail) : new Error(message.detail);
        return;
      case 'metrics':
      case 'switch':
      case 'checkpoint':
      case 'warning':
        events = events
          .then(() => onEvent(message))
          .catch((error: unknown) => {
            failure ??= error;
            stop();
          });
        return;
      default:
        message satisfies never;
    }
  });
  context.signal.addEventListener('abort', stop, { once: true });
  try {
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      child.once('error', reject);
    });
    child.send(work);
    if (context.signal.aborted) stop();
    const { code, signal } = await ended;
    await events;
    context.signal.throwIfAborted();
    if (failure) throw failure;
    if (result) return result;
    throw new ChildDied(
      `The training process ended ${signal ? `by ${signal}` : `with exit code ${code}`} before it had a result. If this happens again, the machine may be short of memory: lower batchSize or imageSize.`,
    );
  } finally {
    clearTimeout(killer);
    context.signal.removeEventListener('abort', stop);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
}
