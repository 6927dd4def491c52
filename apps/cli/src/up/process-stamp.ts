/** Tells processes apart: a pid alone is given to another program sooner or later, a pid with its start time is not. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);

/** A process that ran once. `stamp` is its start time in whatever form the system gives it. */
export const ProcessRecord = z.object({ name: z.string(), pid: z.int().positive(), stamp: z.string() });
export type ProcessRecord = z.infer<typeof ProcessRecord>;

/** Start time of a live process; null where there is none, or only its zombie. */
async function stampOf(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    if (text === null) return null;
    // The second field is the program's name in parentheses and may hold anything; the fields go on after it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  }
  const listed = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => null);
  return listed?.stdout.trim() || null;
}

/** Writes down a live process; null where it has gone already. */
export async function recordProcess(name: string, pid: number): Promise<ProcessRecord | null> {
  const stamp = await stampOf(pid);
  return stamp === null ? null : { name, pid, stamp };
}

/** Whether that very process still lives. */
export async function isAlive(record: ProcessRecord): Promise<boolean> {
  return (await stampOf(record.pid)) === record.stamp;
}
