/**
 * One part of the service: a child process that is started, watched, started again when it dies, and stopped.
 *
 *     starting ──'ready'──▶ up ──died──▶ waiting ──back-off over──▶ starting
 *     starting ──died before it was ever up──▶ failed (`start` rejects)
 *     starting | up | waiting ──stop()──▶ stopping ──exit──▶ stopped
 */
import { type ChildProcess, fork } from 'node:child_process';
import { open } from 'node:fs/promises';
import { z } from 'zod';
import type { PartName } from './parts.js';

const SECOND = 1000;
/** A part that ran for this long before it died is started again at once. */
const SETTLED_MS = 60 * SECOND;
const FIRST_BACKOFF_MS = 0.5 * SECOND;
const LONGEST_BACKOFF_MS = 30 * SECOND;
/** From the program's start to its 'ready'. */
const START_MS = 120 * SECOND;
/** Longer than the parts' own grace: they hand work back and write checkpoints in it. */
const STOP_MS = 35 * SECOND;
const LARGEST_LOG_BYTES = 16 * 1024 ** 2;

const Ready = z.object({ type: z.literal('ready'), url: z.string().optional() });

/** A part did not come up; the text holds the end of its log. */
export class PartFailedError extends Error {
  override readonly name = 'PartFailedError';
  readonly code = 'part-failed';

  constructor(
    /** Without the log. */
    readonly summary: string,
    log?: string,
  ) {
    super(log ? `${summary}. The end of its log:\n${log}` : summary);
  }
}

export interface PartOptions {
  name: PartName;
  program: string;
  logFile: string;
  /** Asked before every start. */
  environment: () => NodeJS.ProcessEnv;
  onNotice: (text: string) => void;
  /** The process behind the part is another one now, or none. */
  onChange: () => void;
}

export interface Part {
  readonly name: PartName;
  /** null while no process runs */
  readonly pid: number | null;
  /** What the part said about itself when it came up. */
  readonly url: string | null;
  /** Resolves when the part is up. @throws PartFailedError */
  start(): Promise<void>;
  /** SIGTERM, then SIGKILL for what does not end in time. Resolves when the process is gone. */
  stop(): Promise<void>;
  /** SIGKILL now. */
  kill(): void;
}

async function openLog(path: string): Promise<{ fd: number; offset: number; close(): Promise<void> }> {
  const file = await open(path, 'a');
  let { size } = await file.stat();
  if (size > LARGEST_LOG_BYTES) {
    await file.truncate();
    size = 0;
  }
  return { fd: file.fd, offset: size, close: () => file.close() };
}

/** The last lines that were written after `offset`, a byte position. */
async function logTail(path: string, offset: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = Math.max(offset, size - 4096);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-8).join('\n');
  } finally {
    await file.close();
  }
}

export function createPart(options: PartOptions): Part {
  const { name, onNotice, onChange } = options;
  let child: ChildProcess | null = null;
  let url: string | null = null;
  let stopping = false;
  let upSince: number | null = null;
  let backoff = FIRST_BACKOFF_MS;
  let pause: NodeJS.Timeout | undefined;
  let launching: Promise<void> | null = null;

  /** Starts one process. Resolves when it is up. */
  async function launch(): Promise<void> {
    const log = await openLog(options.logFile);
    if (stopping) return log.close();
    const started = fork(options.program, [], {
      env: options.environment(),
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
      // A session of its own: Ctrl-C in a terminal reaches the supervisor alone, which stops the parts in order.
      detached: true,
    });
    await log.close();
    child = started;
    onChange();
    await new Promise<void>((resolve, reject) => {
      const giveUp = setTimeout(() => started.kill('SIGKILL'), START_MS);
      started.once('error', (error) => {
        // A process that never was does not exit either.
        if (started.pid === undefined) child = null;
        reject(new PartFailedError(`${name} cannot be started: ${error.message}`));
      });
      started.on('message', (raw) => {
        const message = Ready.safeParse(raw);
        if (!message.success) return;
        clearTimeout(giveUp);
        url = message.data.url ?? url;
        upSince = performance.now();
        resolve();
      });
      started.once('exit', async (code, signal) => {
        clearTimeout(giveUp);
        child = null;
        onChange();
        const how = signal ? `by ${signal}` : `with exit code ${code}`;
        if (upSince === null) {
          const tail = await logTail(options.logFile, log.offset);
          reject(new PartFailedError(`${name} ended ${how} before it was up`, tail));
        } else if (!stopping) again(`${name} ended ${how}`);
      });
    });
  }

  /** The process died after it had been up once. */
  function again(what: string): void {
    if (upSince !== null && performance.now() - upSince > SETTLED_MS) backoff = FIRST_BACKOFF_MS;
    const wait = backoff;
    backoff = Math.min(backoff * 2, LONGEST_BACKOFF_MS);
    onNotice(`${what}; starting it again in ${wait / SECOND} s (its log: ${options.logFile})`);
    pause = setTimeout(() => {
      upSince = null;
      launching = launch().then(
        () => onNotice(`${name} is up again (process ${child?.pid})`),
        (error: unknown) => {
          if (!stopping)
            again(error instanceof PartFailedError ? error.summary : `${name}: ${String(error)}`);
        },
      );
    }, wait);
  }

  return {
    name,
    get pid() {
      return child?.pid ?? null;
    },
    get url() {
      return url;
    },
    start() {
      const first = launch();
      launching = first.catch(() => undefined);
      return first;
    },
    async stop() {
      stopping = true;
      clearTimeout(pause);
      const running = child;
      if (running) {
        const gone = new Promise((resolve) => running.once('exit', resolve));
        const force = setTimeout(() => running.kill('SIGKILL'), STOP_MS);
        running.kill('SIGTERM');
        await gone;
        clearTimeout(force);
      }
      await launching?.catch(() => undefined);
    },
    kill() {
      stopping = true;
      clearTimeout(pause);
      child?.kill('SIGKILL');
    },
  };
}
