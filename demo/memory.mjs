// Peak memory of all processes of the demo together, looked at once a second. Linux only: elsewhere it is not measured.
import { readdir, readFile } from 'node:fs/promises';

const SECOND = 1000;
const KIB = 1024;

/** A process may end while it is looked at. */
async function read(path) {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(error.code)) return null;
    throw error;
  }
}

/** `roots` and everything that they started, and that these started. */
async function tree(roots) {
  const children = new Map();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await read(`/proc/${entry}/stat`);
    if (stat === null) continue;
    // The name, in parentheses, may hold anything; state and parent come after it.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = new Set();
  const queue = [...roots];
  while (queue.length > 0) {
    const pid = queue.pop();
    if (found.has(pid)) continue;
    found.add(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return found;
}

/** Resident bytes of one process; `pss` counts memory that n processes share as a share of 1/n in each. */
async function sizeOf(pid) {
  const rollup = await read(`/proc/${pid}/smaps_rollup`);
  const field = (text, name) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))?.[1] ?? 0) * KIB;
  if (rollup) return { pss: field(rollup, 'Pss'), rss: field(rollup, 'Rss') };
  // Another user's process: Postgres, where the demo runs as root without the right to look.
  const rss = field((await read(`/proc/${pid}/status`)) ?? '', 'VmRSS');
  return { pss: rss, rss };
}

/**
 * Watches this process, what it starts, and `more()` (pids of processes that it found running).
 * `stop` gives the peaks in bytes; null where the system does not tell.
 */
export function watchMemory(more) {
  const peak = { pss: 0, rss: 0, processes: 0 };
  let stopped = process.platform !== 'linux';
  const measured = !stopped;
  const look = async () => {
    const pids = await tree([process.pid, ...(await more())]);
    const sizes = await Promise.all([...pids].map(sizeOf));
    for (const kind of ['pss', 'rss'])
      peak[kind] = Math.max(
        peak[kind],
        sizes.reduce((sum, size) => sum + size[kind], 0),
      );
    peak.processes = Math.max(peak.processes, pids.size);
  };
  let timer;
  let looking = Promise.resolve();
  const next = () => {
    if (stopped) return;
    timer = setTimeout(() => {
      looking = look().finally(next);
    }, SECOND);
  };
  next();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await looking;
      return measured ? { pssBytes: peak.pss, rssBytes: peak.rss, processes: peak.processes } : null;
    },
  };
}
