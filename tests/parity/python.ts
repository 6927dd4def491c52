/** Finds a Python with PyTorch: what the parity tests compare with, and nobody else needs. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The system's own comes second: its packages are Debian's `python3-torch`. */
const CANDIDATES = ['python3', '/usr/bin/python3'];

/** Path of the interpreter, null where none has PyTorch. */
export async function findTorch(): Promise<string | null> {
  for (const python of CANDIDATES) {
    const found = await run(python, ['-c', 'import numpy, torch']).then(
      () => true,
      () => false,
    );
    if (found) return python;
  }
  return null;
}

/** Runs a script of this folder. @throws with what it wrote to stderr */
export async function runPython(python: string, script: string, args: string[]): Promise<void> {
  await run(python, [new URL(script, import.meta.url).pathname, ...args]);
}
