/**
 * Work on a stranger's model in a process of its own, under limits of memory and time: what may go wrong (too much memory, no end, a crash
 * of native code) ends with it. One at a time: two would share the memory that one may have.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '@rela/config';
import { ProblemError } from '@rela/contracts';

export interface Limits {
  /** Of the whole process. */
  memoryBytes: number;
  milliseconds: number;
}

/** What a process answers that could not do its work: see answering.js. */
export type Broken = { kind: 'out-of-memory' } | { kind: 'failed'; reason: string };

/** What the process answers, or how it ended before it could. */
type Ended<Reply> = Reply | Broken | { kind: 'late' } | { kind: 'died'; how: string };

/** For the sentences of its problems. */
export interface Subject {
  /** What takes its time and memory, as the subject of a sentence. */
  what: string;
  /** What to do where it takes too much. */
  advice: string;
}

/** Half of what the machine, or the container, has: the other half is the service's. */
const MEMORY_SHARE = 0.5;

/** In an eighth of this Node does not start, and does not end either. */
const LEAST_MEMORY = 256 * 2 ** 20;

/** A container's limit is 0 where there is none. */
const defaultMemory = (): number =>
  Math.max(
    LEAST_MEMORY,
    Math.floor(Math.min(process.constrainedMemory() || totalmem(), totalmem()) * MEMORY_SHARE),
  );

let last: Promise<unknown> = Promise.resolve();

/**
 * @param program a file of JavaScript: it gets `work` as its first message, answers with one, and ends
 * @param limits by default half of the memory; the time has to be said
 * @throws ProblemError `invalid-model` where the work takes more time or memory than it may; Error where it breaks otherwise
 */
export async function runLimited<Work extends object, Reply extends { kind: string }>(
  program: URL,
  work: Work,
  limits: Pick<Limits, 'milliseconds'> & Partial<Limits>,
  { what, advice }: Subject,
): Promise<Reply> {
  const { memoryBytes = defaultMemory(), milliseconds } = limits;
  const ended = await inTurn(() => answer<Work, Reply>(start(program, memoryBytes), work, milliseconds));
  const refusal = (how: string) => new ProblemError('invalid-model', `${what} ${how}. ${advice}`);
  const memory = `than the ${Math.floor(memoryBytes / 2 ** 20)} MiB of memory that it may use here`;
  // Replies of the work have kinds of their own.
  const broken = ended as Ended<never>;
  switch (broken.kind) {
    case 'late':
      throw refusal(`took longer than ${milliseconds / 1000} seconds and was ended`);
    case 'out-of-memory':
      throw refusal(`needs more ${memory}`);
    case 'died':
      throw refusal(`was ended by ${broken.how} before it had a result: most likely it needs more ${memory}`);
    case 'failed':
      throw new Error(`${what} failed: ${broken.reason}`);
    default:
      return ended as Reply;
  }
}

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = last.then(work);
  last = mine.catch(() => undefined);
  return mine;
}

/** The shell sets the limit, since Node cannot: `ulimit -d` counts whatever a process can write to, tensors included. */
function start(program: URL, memoryBytes: number): ChildProcess {
  const kibibytes = Math.floor(memoryBytes / 1024);
  const heap = `--max-old-space-size=${Math.max(64, Math.floor(kibibytes / 1024 / 2))}`;
  const command = [process.execPath, heap, fileURLToPath(program)];
  return spawn('/bin/sh', ['-c', 'ulimit -d "$0"; exec "$@"', String(kibibytes), ...command], {
    env: childEnvironment(),
    // What libraries and a dying Node print helps nobody: the answer says what happened.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
}

function answer<Work extends object, Reply>(
  child: ChildProcess,
  work: Work,
  milliseconds: number,
): Promise<Ended<Reply>> {
  return new Promise((resolve, reject) => {
    let ended: Ended<Reply> | null = null;
    const timer = setTimeout(() => {
      ended ??= { kind: 'late' };
      child.kill('SIGKILL');
    }, milliseconds);
    child.once('message', (reply: Reply) => {
      ended ??= reply;
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    // Not at `exit`: a message may still be on its way then.
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve(ended ?? { kind: 'died', how: signal ?? `exit code ${code}` });
    });
    // A process that dies at once has said so by its exit.
    child.send(work, () => undefined);
  });
}
