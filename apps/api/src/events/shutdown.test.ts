import { expect, it } from 'vitest';
import { startService } from '../testing/service.js';
import { addReadyDataset, smallJob } from '../testing/work.js';

it('ends open event streams when the server stops', async () => {
  const service = await startService();
  let response: Response;
  try {
    await addReadyDataset(service, 'digits');
    const { id } = await service.client.jobs.create(smallJob('digits'));
    response = await fetch(`${service.url}/v1/jobs/${id}/events`);
  } finally {
    await service.close();
  }
  expect(await response.text()).toContain('event: job');
});
