import { join } from 'node:path';
import { startEmbeddedPostgres } from '@rela/database';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { collect } from '../testing/collect.js';
import { startService, type TestService } from '../testing/service.js';
import { addReadyDataset, smallJob, workOff } from '../testing/work.js';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

it('is not ready while the database is away, and a stream goes on when it is back', async () => {
  await addReadyDataset(service, 'digits');
  const { id } = await service.client.jobs.create(smallJob('digits'));
  const following = collect(service.client.jobs.follow(id));
  expect(await service.client.health.ready()).toEqual({ status: 'ok' });

  await service.postgres.stop();
  const ready = await fetch(`${service.url}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({
    code: 'unavailable',
    errors: [{ field: 'database', message: 'does not answer' }],
  });
  const listed = await fetch(`${service.url}/v1/jobs`);
  expect(listed.status).toBe(503);
  expect(listed.headers.get('retry-after')).not.toBeNull();
  expect(await service.client.health.live()).toEqual({ status: 'ok' });

  service.postgres = await startEmbeddedPostgres({
    folder: join(service.folder, 'postgres'),
    port: Number(new URL(service.postgres.url).port),
  });
  await service.database.whenAvailable(() => service.database.ping());
  await workOff(service, id, new TextEncoder().encode('model'));
  const sequences = (await following).flatMap((update) =>
    update.type === 'progress' ? [] : [update.sequence],
  );
  expect(sequences).toEqual(sequences.map((_value, index) => index + 1));
  expect((await service.client.jobs.get(id)).status).toBe('succeeded');
});
