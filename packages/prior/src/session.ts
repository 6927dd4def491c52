/** An ONNX Runtime session on a thread of its own: the caller's thread stays free while a batch runs. */
// On this thread, for what it says to ONNX Runtime: that it is to report to nobody.
import '@rela/engine';
import { Worker } from 'node:worker_threads';
import type { RunRequest, SessionReply, SessionSettings, TensorDescription } from './session-messages.js';

/** ONNX Runtime does not take the model; the text is its own. */
export class ModelRefused extends Error {
  override readonly name = 'ModelRefused';
  readonly code = 'model-refused';
}

/** A batch did not run; the text is ONNX Runtime's own. */
export class RunFailed extends Error {
  override readonly name = 'RunFailed';
  readonly code = 'run-failed';
}

/** The thread ended under a batch: it was closed, or native code crashed. Another session may succeed. */
export class SessionLost extends Error {
  override readonly name = 'SessionLost';
  readonly code = 'session-lost';
}

export interface RunResult {
  data: Float32Array;
  dims: number[];
  /** The input's memory, handed back for the next batch. */
  input: Float32Array | Uint8Array;
}

interface Waiting {
  resolve(result: RunResult): void;
  reject(error: Error): void;
}

export class Session {
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  private lost: SessionLost | null = null;

  private constructor(
    private readonly thread: Worker,
    readonly inputs: readonly TensorDescription[],
    readonly outputs: readonly TensorDescription[],
  ) {
    thread.on('message', (reply: SessionReply) => this.settle(reply));
    thread.on('error', (error) => this.lose(`The thread of the session failed: ${error.message}`));
    thread.on('exit', () => this.lose('The session was closed.'));
  }

  /** @throws ModelRefused, SessionLost */
  static open(settings: SessionSettings): Promise<Session> {
    const thread = new Worker(new URL('./session-thread.js', import.meta.url), { workerData: settings });
    return new Promise((resolve, reject) => {
      const onError = (error: Error) =>
        reject(new SessionLost(`The session did not start: ${error.message}`));
      const onExit = () => reject(new SessionLost('The thread of the session ended before it was ready.'));
      thread.once('error', onError);
      thread.once('exit', onExit);
      thread.once('message', (reply: SessionReply) => {
        thread.off('error', onError).off('exit', onExit);
        if (reply.kind === 'ready') {
          resolve(new Session(thread, reply.inputs, reply.outputs));
          return;
        }
        const reason = reply.kind === 'refused' ? reply.reason : `unexpected reply ${reply.kind}`;
        void thread.terminate().then(() => reject(new ModelRefused(reason)));
      });
    });
  }

  /**
   * Runs one batch after those asked for before. `data` moves to the thread and must not be touched until it comes back.
   * @throws RunFailed, SessionLost
   */
  run(request: Omit<RunRequest, 'id'>): Promise<RunResult> {
    if (this.lost) return Promise.reject(this.lost);
    const id = this.nextId++;
    const settled = new Promise<RunResult>((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.thread.postMessage({ ...request, id }, [request.data.buffer as ArrayBuffer]);
    return settled;
  }

  async close(): Promise<void> {
    await this.thread.terminate();
  }

  private settle(reply: SessionReply): void {
    switch (reply.kind) {
      case 'ran':
        this.take(reply.id)?.resolve({ data: reply.data, dims: reply.dims, input: reply.input });
        return;
      case 'failed':
        this.take(reply.id)?.reject(new RunFailed(reply.reason));
        return;
      case 'ready':
      case 'refused':
        return;
      default:
        reply satisfies never;
    }
  }

  private take(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }

  private lose(reason: string): void {
    this.lost ??= new SessionLost(reason);
    for (const { reject } of this.waiting.values()) reject(this.lost);
    this.waiting.clear();
  }
}
