import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hasRedis7, type RedisProcess, startRedisProcess } from '../testing/redis-process.js';
import { OneWriteRedis } from './one-write.js';

describe.skipIf(!(await hasRedis7()))('a client (needs redis-server 7 on the PATH)', () => {
  let server: RedisProcess;
  beforeAll(async () => {
    server = await startRedisProcess();
  });
  afterAll(() => server.remove());

  async function connected(): Promise<OneWriteRedis> {
    const client = new OneWriteRedis({ port: server.port });
    await once(client, 'ready');
    return client;
  }

  it('sends the commands of one turn in one write, those of the next in another', async () => {
    const client = await connected();
    const writes = vi.spyOn(client.stream, '_writev');
    expect(await Promise.all(['a', 'b', 'c'].map((text) => client.echo(text)))).toEqual(['a', 'b', 'c']);
    expect(await Promise.all(['d', 'e'].map((text) => client.echo(text)))).toEqual(['d', 'e']);
    expect(writes.mock.calls.map(([chunks]) => chunks.length)).toEqual([3, 2]);
    client.disconnect();
  });

  it('sends what is asked just before it is told to quit', async () => {
    const client = await connected();
    const answers = await Promise.all([client.set('last', 'word'), client.quit()]);
    expect(answers).toEqual(['OK', 'OK']);
  });
});
