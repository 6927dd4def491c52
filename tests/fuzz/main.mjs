// `npm run fuzz -- [--seed N] [--requests N]`: requests to every route of the API, good, spoilt and hostile, and beside them clients that
// are slow or send floods. None may be answered with a 5xx or not at all, nobody has to wait for such a client, and the memory of the API has
// to stay as it is. The same seed draws the same requests.
import { parseArgs } from 'node:util';
import { runPrepared } from '../../demo/prepare.mjs';

const AT_ONCE = 4;
const LOOKS = 20;
/** What the memory may be at the end, of what it was a fifth of the way: caches and heap are grown by then. */
const STEADY = 1.5;
const SHOWN = 20;

function readArguments() {
  try {
    const { values } = parseArgs({
      options: { seed: { type: 'string', default: '1' }, requests: { type: 'string', default: '1000' } },
    });
    return Object.fromEntries(
      Object.entries(values).map(([name, text]) => {
        if (!/^\d+$/.test(text)) throw new Error(`--${name} takes a whole number; "${text}" is none.`);
        return [name, Number(text)];
      }),
    );
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

const { seed, requests: count } = readArguments();
const say = (text) => process.stdout.write(`${text}\n`);
const mebibytes = (bytes) => `${Math.round(bytes / 1024 ** 2)} MiB`;

async function main() {
  const { createRandom } = await import('@rela/random');
  const { createRequests, routesOf } = await import('./requests.mjs');
  const { treatRoughly } = await import('./rough.mjs');
  const { agent, send } = await import('./send.mjs');
  const { startService } = await import('./service.mjs');

  say(`seed ${seed}, ${count} requests`);
  const service = await startService();
  const faults = [];
  try {
    const draw = createRequests(service.document, service.known, createRandom(seed, 'fuzz'));
    const statuses = new Map();
    const routes = new Set();
    const memory = [];
    let sent = 0;
    const work = async () => {
      while (sent < count) {
        sent += 1;
        const drawn = draw();
        routes.add(drawn.route);
        if (sent % Math.ceil(count / LOOKS) === 0) memory.push(await service.residentBytes());
        const { status, fault } = await send(service.port, drawn);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (fault)
          faults.push(
            `${drawn.method} ${drawn.path.slice(0, 300)} ${JSON.stringify(drawn.headers)} ${String(drawn.body).slice(0, 800)}\n  ${fault}`,
          );
      }
    };
    const treated = treatRoughly(service.port);
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const rough = await treated;
    memory.push(await service.residentBytes());
    faults.push(...rough.faults);
    agent.destroy();
    const known = memory.filter((bytes) => bytes !== null);
    const [early, late] = [known[Math.floor(known.length / 5)], known.at(-1)];
    if (early && late > STEADY * early)
      faults.push(`the memory of the API grew from ${mebibytes(early)} to ${mebibytes(late)}`);
    if (service.deaths > 0) faults.push(`the API died ${service.deaths} times`);
    const missed = routesOf(service.document).filter(({ method, path }) => !routes.has(`${method} ${path}`));
    say(
      `answers: ${[...statuses]
        .sort(([a], [b]) => a - b)
        .map(([status, times]) => `${status ?? 'cut'} × ${times}`)
        .join(', ')}`,
    );
    if (early) say(`memory of the API: ${mebibytes(early)} after a fifth, ${mebibytes(late)} at the end`);
    say(
      `routes: ${routesOf(service.document).length - missed.length} of ${routesOf(service.document).length}`,
    );
    say(
      `clients that were slow or sent floods: ${rough.clients}, of which ${rough.asTheyShould} were refused and cut off; of ${rough.others.asked} others meanwhile the slowest waited ${Math.round(rough.others.slowest)} ms`,
    );
    if (faults.length === 0) say('every request was answered as it should be');
    else
      say(
        `\n${faults.length} faults (log: ${service.logFile}):\n${faults
          .slice(0, SHOWN)
          .map((fault) => `- ${fault}`)
          .join('\n')}`,
      );
  } finally {
    await service.stop({ keep: faults.length > 0 });
  }
  if (faults.length > 0) process.exitCode = 1;
}

await runPrepared(main);
process.exit();
