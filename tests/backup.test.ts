/** A service is backed up while it works, and goes on elsewhere. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startAll } from '@rela/cli';
import { RelaClient } from '@rela/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rela } from './rela.js';
import { addShapes, shortRun, startService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addShapes(service, 'shapes');
});
afterAll(() => service?.close());

it('goes on in another place with what was done and what was under way', async () => {
  const { client, folder } = service;
  const submit = (name: string, epochs: number) =>
    client.jobs.create({ name, dataset: 'shapes', runs: [shortRun(name, { epochs })], reuse: false });
  const done = await client.jobs.wait((await submit('done', 1)).id);
  const open = await submit('open', 6);
  const file = join(folder, 'backup.tar');
  const written = await rela('--home', join(folder, 'home'), 'backup', file);
  expect([written.stderr, written.code]).toEqual(['', 0]);
  const elsewhere = join(folder, 'elsewhere');
  const restored = await rela('--home', elsewhere, 'restore', file);
  expect(restored.stdout).toContain('Start the service with: rela up');
  expect((await rela('--home', join(folder, 'home'), 'restore', file)).stderr).toContain('A service runs on');

  const [first] = done.runs;
  const other = await startAll({
    home: elsewhere,
    port: 0,
    environment: { LOG_LEVEL: 'warn', THREADS: '1' },
  });
  try {
    const there = new RelaClient({ baseUrl: other.url });
    const run = await there.runs.get(first!.id);
    expect(run).toEqual(await client.runs.get(first!.id));
    expect(await there.models.download(run.result!.model ?? '', join(folder, 'model.onnx'))).toBeGreaterThan(
      0,
    );
    // The worker that had it is not here: its lease runs out, and the job ends here as it does there.
    const models = await Promise.all(
      [client, there].map(async (one) => {
        const { runs, status } = await one.jobs.wait(open.id);
        expect(status).toBe('succeeded');
        return (await one.runs.get(runs[0]!.id)).result!.model;
      }),
    );
    expect(models[0]).toBe(models[1]);
  } finally {
    await other.stop();
    await rm(elsewhere, { recursive: true, force: true });
  }
});
