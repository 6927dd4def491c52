// `npm run bench -- NAME [--json]`: one measured question, answered by the ratio of two sides that take turns in one run.
import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { runPrepared } from '../demo/prepare.mjs';

const folder = fileURLToPath(new URL('./questions/', import.meta.url));
const [name, ...others] = process.argv.slice(2);
const json = others.includes('--json');
/** What of a question is asked, for those that have parts. */
const parts = others.filter((word) => !word.startsWith('--'));

async function names() {
  return (await readdir(folder)).filter((file) => file.endsWith('.mjs')).map((file) => file.slice(0, -4));
}

if (!name || !(await names()).includes(name)) {
  process.stderr.write(
    `npm run bench -- NAME [--json], where NAME is one of: ${(await names()).sort().join(', ')}\n`,
  );
  process.exit(1);
}

/**
 * Both sides keep freed memory and use huge pages, as the service's training processes do: without that a library that frees its
 * tensors after every step is charged for the kernel's work of clearing them. glibc reads this when a process starts.
 */
const ALLOCATOR =
  'glibc.malloc.hugetlb=1:glibc.malloc.trim_threshold=17179869184:glibc.malloc.mmap_threshold=33554432';

if (env.GLIBC_TUNABLES === undefined) {
  const { status } = spawnSync(process.execPath, process.argv.slice(1), {
    stdio: 'inherit',
    env: { ...env, GLIBC_TUNABLES: ALLOCATOR },
  });
  process.exit(status ?? 1);
}

async function main() {
  const { measure } = await import(`./questions/${name}.mjs`);
  const { machine } = await import('./machine.mjs');
  const { tableOf } = await import('./report.mjs');
  const cases = await measure((text) => process.stderr.write(`${text}\n`), parts);
  const result = { bench: name, machine: machine(), cases };
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : `${tableOf(result)}\n`);
}

// Only the result goes to stdout, so that it can be piped.
await runPrepared(main, { log: process.stderr });
process.exit();
