/** The short form of `npm run fuzz`: hostile requests to every route, none of which the API may fail at. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const fuzz = fileURLToPath(new URL('./fuzz/main.mjs', import.meta.url));

it('answers good, spoilt and hostile requests to every route, and none with a 5xx', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [fuzz, '--seed', '1', '--requests', '600']);
  expect(stdout).toContain('seed 1, 600 requests');
  expect(stdout).toMatch(/routes: (\d+) of \1\n/);
  expect(stdout).toContain(
    'clients that were slow or sent floods: 150, of which 150 were refused and cut off',
  );
  expect(stdout).toContain('every request was answered as it should be');
});
