/** The short form of `npm run chaos`: parts of the service die under load, and every promise is kept. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const chaos = fileURLToPath(new URL('./chaos/main.mjs', import.meta.url));

it('keeps every promise while its parts die', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [chaos, '--seed', '1', '--faults', '5']);
  expect(stdout).toContain('seed 1, 5 faults');
  expect(stdout).toContain('every promise was kept');
}, 900_000);

it('strikes in the ways that it is told to, and knows no others', async () => {
  const run = promisify(execFile)(process.execPath, [chaos, '--only', 'eat the disk']);
  await expect(run).rejects.toThrow(
    /There is no fault "eat the disk": kill the API; .*fill the disk; make the disk read-only/,
  );
});

it('says which arguments it takes', async () => {
  const run = promisify(execFile)(process.execPath, [chaos, '--queue', 'kafka']);
  await expect(run).rejects.toThrow('--queue is postgres or redis; "kafka" is neither.');
});
