// Brings a clone to the point where it runs: the right Node, the packages of package-lock.json, a current build.
// Plain Node, because nothing is installed yet; shared by `npm run demo` and `npm test`.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const NEEDED = [20, 19];

/** A preparation failed; the text was made for the person in front of the terminal. */
export class PrepareError extends Error {
  name = 'PrepareError';
  code = 'prepare';
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return;
  throw new PrepareError(
    `This needs Node ${NEEDED.join('.')} or newer, and it runs on ${process.versions.node}. Get a newer one from https://nodejs.org and start again.`,
  );
}

async function readJson(path) {
  try {
    return JSON.parse(await readFile(join(root, path), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Whether node_modules holds what package-lock.json asks for. npm writes down what it installed. */
async function isInstalled() {
  const wanted = await readJson('package-lock.json');
  const found = await readJson('node_modules/.package-lock.json');
  if (!wanted || !found) return false;
  return Object.entries(wanted.packages).every(([path, entry]) => {
    // What is optional may not fit this platform; workspaces are not installed but linked.
    if (!path.includes('node_modules/') || entry.optional || entry.devOptional || entry.link) return true;
    return found.packages[path]?.version === entry.version;
  });
}

/** Runs a program in the repository. Its output is shown as it comes, or, when quiet, only where it fails. */
async function run(program, args, { quiet = false, log = process.stdout } = {}) {
  const child = spawn(program, args, {
    cwd: root,
    stdio: ['ignore', quiet ? 'pipe' : log.fd, quiet ? 'pipe' : 'inherit'],
    // @rela/config, which reads the environment everywhere else, is not built yet.
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
    // npm and npx are .cmd files there.
    shell: process.platform === 'win32',
  });
  const output = [];
  child.stdout?.on('data', (chunk) => output.push(chunk));
  child.stderr?.on('data', (chunk) => output.push(chunk));
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(
        new PrepareError(
          `\`${program}\` cannot be started (${error.message}). It comes with Node; is it on the PATH?`,
        ),
      ),
    );
    child.once('close', (...ended) => resolve(ended));
  });
  if (code === 0) return;
  process.stderr.write(Buffer.concat(output));
  throw new PrepareError(`\`${[program, ...args].join(' ')}\` failed (${signal ?? `exit code ${code}`}).`);
}

async function timed(what, log, work) {
  log.write(`${what} … `);
  const began = performance.now();
  await work();
  log.write(`${((performance.now() - began) / 1000).toFixed(1)} s\n`);
}

/** @throws PrepareError */
async function prepare(log) {
  checkNode();
  if (!(await isInstalled())) {
    log.write('Installing the packages of package-lock.json (npm ci)\n');
    await run('npm', ['ci', '--no-audit', '--no-fund'], { log });
  }
  await timed('Building', log, () =>
    run('npx', ['--no-install', 'turbo', 'run', 'build', '--output-logs=errors-only'], { quiet: true }),
  );
}

/**
 * Runs `main` after the preparation; what fails in it is said in a sentence, and ends with exit code 1.
 * @param log where the preparation is told
 */
export async function runPrepared(main, { log = process.stdout } = {}) {
  try {
    await prepare(log);
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  await main();
}
