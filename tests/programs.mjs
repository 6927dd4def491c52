// Processes of the service, each started by path as the command line does it: apps are no dependencies of the tests.
import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(createRequire(import.meta.url).resolve('@rela/cli'));

/** The file of an app's process, by its name. */
export const programOf = (name) => join(dirname(require.resolve(`@rela/${name}`)), 'main.js');

export async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

const AGAIN_MS = 200;
/** A machine that is busy with other things takes minutes for six processes. */
const START_MS = 300_000;
const STOP_MS = 60_000;

/**
 * One that is started again as soon as it dies.
 * @param environment of the process; @param onMessage hears what it tells its parent
 * @returns { name, pid, pids (all that it had), start(), stop(), signal(name), deaths }
 */
export function createProgram({ name, file, environment, log, onMessage = () => undefined }) {
  let child = null;
  let stopping = false;
  let deaths = 0;
  const pids = new Set();

  async function launch() {
    const started = fork(file, [], { env: environment, stdio: ['ignore', log, log, 'ipc'] });
    child = started;
    started.on('message', onMessage);
    pids.add(started.pid);
    const up = new Promise((resolve) => {
      started.on('message', ({ type }) => type === 'ready' && resolve(true));
      started.once('exit', () => resolve(false));
    });
    started.once('exit', async () => {
      child = null;
      if (stopping) return;
      deaths += 1;
      await sleep(AGAIN_MS);
      if (!stopping) void launch();
    });
    return up;
  }

  return {
    name,
    get pid() {
      return child?.pid ?? null;
    },
    pids,
    get deaths() {
      return deaths;
    },
    /** Resolves when it is up for the first time. It waits for servers that are away. */
    async start() {
      stopping = false;
      const isUp = await Promise.race([launch(), sleep(START_MS, null, { ref: false })]);
      if (!isUp) throw new Error(`${name} did not come up; see its log.`);
    },
    /** @returns whether there was a process */
    signal(signal) {
      return child?.kill(signal) ?? false;
    },
    /** @returns whether it ended by itself in time */
    async stop() {
      stopping = true;
      const running = child;
      if (!running) return true;
      const gone = new Promise((resolve) => running.once('exit', () => resolve(true)));
      running.kill('SIGCONT');
      running.kill('SIGTERM');
      const ended = await Promise.race([gone, sleep(STOP_MS, false, { ref: false })]);
      if (!ended) running.kill('SIGKILL');
      return ended;
    },
  };
}
