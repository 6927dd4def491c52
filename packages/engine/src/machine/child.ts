/**
 * Asks a child process what a native library does here. Such a library may crash or hang while it loads; the child takes that upon
 * itself, and what comes back is an answer or one line that says why there is none.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** From here packages are resolved: this package's own folder. */
export const PACKAGE_FOLDER = fileURLToPath(new URL('../..', import.meta.url));

/** tfjs-node-gpu takes some seconds to load on a cold disk. */
const PATIENCE_MS = 30_000;
const MARK = '\u0001answer ';
const LONGEST_OUTPUT = 1 << 24;

export type Answer<T> =
  | { is: 'answer'; value: T }
  /** `said` is what the library wrote to stderr. */
  | { is: 'fault'; reason: string; said: string };

export interface Question {
  /** Body of an async function in CommonJS, with `require` of `folder` and `given`; what it returns has to survive JSON. */
  code: string;
  given?: unknown;
  folder?: string;
  patienceMs?: number;
}

const wrapped = (code: string, given: unknown) => `
const given = ${JSON.stringify(given ?? null)};
(async () => { ${code} })().then(
  (value) => process.stdout.write('\\n' + ${JSON.stringify(MARK)} + JSON.stringify({ value }) + '\\n', () => process.exit(0)),
  (error) => process.stdout.write('\\n' + ${JSON.stringify(MARK)} + JSON.stringify({ error: String(error && error.message || error) }) + '\\n', () => process.exit(0)),
);`;

/** @param T what the code returns; it is ours, so its answer is taken as it comes */
export function askChild<T>({
  code,
  given,
  folder = PACKAGE_FOLDER,
  patienceMs = PATIENCE_MS,
}: Question): Promise<Answer<T>> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--input-type=commonjs', '-e', wrapped(code, given)],
      { cwd: folder, timeout: patienceMs, killSignal: 'SIGKILL', maxBuffer: LONGEST_OUTPUT },
      (error, stdout, stderr) => {
        const line = stdout.split('\n').find((text) => text.startsWith(MARK));
        const told = line
          ? (JSON.parse(line.slice(MARK.length)) as { value: T } | { error: string })
          : undefined;
        if (told && 'value' in told) resolve({ is: 'answer', value: told.value });
        else resolve({ is: 'fault', reason: reasonOf(told?.error, error, stderr, patienceMs), said: stderr });
      },
    );
  });
}

/** The one line: a missing library by its name, else how the child ended, else what it said. */
function reasonOf(
  message: string | undefined,
  ended: (Error & { killed?: boolean; signal?: NodeJS.Signals | null; code?: unknown }) | null,
  stderr: string,
  patienceMs: number,
): string {
  const missing = /([\w.+-]+\.(?:so[\d.]*|dylib|dll))['"]?: (?:cannot open|no such file)/i.exec(
    `${message ?? ''}\n${stderr}`,
  );
  if (missing) return `the library ${missing[1]} is missing`;
  if (message !== undefined) return firstLine(message);
  if (ended?.killed) return `it did not answer within ${patienceMs / 1000} s`;
  if (ended?.signal) return `it crashed while it was loaded (${ended.signal})`;
  return `it ended the process while it was loaded (exit code ${String(ended?.code ?? 0)})`;
}

const firstLine = (text: string) => text.trim().split('\n')[0]!.trim().replace(/\.$/, '');
