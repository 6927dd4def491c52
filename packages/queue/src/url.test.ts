/** What a wrong or dead address is told, without its password. */
import { ProblemError } from '@rela/contracts';
import { expect, it } from 'vitest';
import { freePort } from '../testing/server.js';
import { checkQueue, consume, openQueue, QueueUrlError } from './index.js';

it.each(['redis', 'postgres'])(
  'says that no %s answers, at which address, and keeps the password to itself',
  async (scheme) => {
    const port = await freePort();
    const url = `${scheme}://someone:secret@127.0.0.1:${port}/0`;
    const attempts = [
      checkQueue(url),
      openQueue(url),
      consume(url, ['embed'], {
        concurrency: {},
        onMessage: async () => undefined,
        onError: () => undefined,
      }),
    ];
    for (const outcome of await Promise.allSettled(attempts)) {
      const error = outcome.status === 'rejected' ? outcome.reason : undefined;
      expect(error).toBeInstanceOf(ProblemError);
      expect(error.code).toBe('unavailable');
      expect(error.message).toContain(`127.0.0.1:${port}`);
      expect(error.message).toContain('ECONNREFUSED');
      expect(error.message).not.toContain('secret');
    }
  },
);

it('refuses an address that is neither Redis nor PostgreSQL', async () => {
  await expect(checkQueue('amqp://localhost')).rejects.toBeInstanceOf(QueueUrlError);
  await expect(openQueue('nonsense')).rejects.toThrow('QUEUE_URL');
});
