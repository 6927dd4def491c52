import { rm, writeFile } from 'node:fs/promises';
import { afterEach, expect, it } from 'vitest';
import { startService, type TestService } from '../testing/service.js';

let service: TestService | undefined;
afterEach(() => service?.close());

async function missing({ url }: TestService): Promise<string[]> {
  const response = await fetch(`${url}/readyz`);
  if (response.status === 200) return [];
  const problem = (await response.json()) as { code: string; errors: { field: string }[] };
  expect([response.status, problem.code]).toEqual([503, 'unavailable']);
  return problem.errors.map(({ field }) => field);
}

it('names a queue that nobody serves and a storage that is gone', async () => {
  service = await startService({ QUEUE_URL: 'redis://127.0.0.1:1' });
  expect(await missing(service)).toEqual(['queue']);
  await rm(service.config.storageUrl, { recursive: true, force: true });
  await writeFile(service.config.storageUrl, 'not a folder');
  expect(await missing(service)).toEqual(['queue', 'storage']);
});
