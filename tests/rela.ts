/** Runs the real `rela` command as a process. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';

const program = join(dirname(createRequire(import.meta.url).resolve('@rela/cli')), '../bin/rela.js');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs one command to its end. */
export function rela(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [program, ...args], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
  });
}

export interface Up {
  process: ChildProcess;
  url: string;
  parts: { name: string; pid: number }[];
  /** Exit code, or null where a signal ended it. */
  ended: Promise<number | null>;
  stderr: Promise<string>;
}

/** `rela up` on a home and a free port, once every part is up. @throws with what it wrote where it does not come up */
export async function relaUp(home: string): Promise<Up> {
  const child = spawn(process.execPath, [program, 'up', '--json', '--port', '0', '--home', home], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const stderr = text(child.stderr);
  let written = '';
  const up = await new Promise<Pick<Up, 'url' | 'parts'>>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      written += chunk;
      // One document, which ends with a brace in the first column.
      if (written.endsWith('\n}\n')) resolve(JSON.parse(written));
    });
    void ended.then(async (code) => reject(new Error(`rela up ended with ${code}: ${await stderr}`)));
  });
  return { process: child, ...up, ended, stderr };
}
