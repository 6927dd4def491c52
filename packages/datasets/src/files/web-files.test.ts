/** Images from the web, against servers of this process: patience, limits, and what may not be reached. */
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../image.js';
import { webServer } from '../testing/fixtures.js';
import { WebFiles, type WebOptions } from './web-files.js';

const client = (more: Partial<WebOptions> = {}) =>
  new WebFiles({
    concurrency: 4,
    timeoutSeconds: 10,
    retries: 2,
    backoffMilliseconds: 1,
    allowPrivateAddresses: true,
    ...more,
  });

describe('a download', () => {
  it('follows redirects, and gives the bytes', async () => {
    const url = await webServer((request, response) => {
      if (request.url === '/from') response.writeHead(302, { location: '/to' }).end();
      else response.end('bytes');
    });
    expect(Buffer.from(await client().get(`${url}from`)).toString()).toBe('bytes');
  });

  it('is tried again where the server has trouble, and not where it has nothing', async () => {
    const asked: string[] = [];
    const url = await webServer((request, response) => {
      asked.push(request.url!);
      if (request.url === '/none') response.writeHead(404).end();
      else if (asked.length < 3) response.writeHead(503).end();
      else response.end('at last');
    });
    expect(Buffer.from(await client().get(`${url}busy`)).toString()).toBe('at last');
    expect(asked).toHaveLength(3);
    await expect(client().get(`${url}none`)).rejects.toThrow('the server answers 404');
    expect(asked).toHaveLength(4);
  });

  it('fails with the last reason when all tries are used', async () => {
    const url = await webServer((_, response) => response.writeHead(503).end());
    await expect(client().get(url)).rejects.toThrow('the server answers 503, 3 times');
    const deaf = await webServer((request) => request.socket.destroy());
    await expect(client({ retries: 0 }).get(deaf)).rejects.toThrow('socket hang up, once');
  });

  it('has a time limit', async () => {
    const url = await webServer(() => undefined);
    await expect(client({ retries: 1, timeoutSeconds: 0.05 }).get(url)).rejects.toThrow(
      'no answer within 0.05 s, 2 times',
    );
  });

  it.each([true, false])('has a size limit (announced: %s)', async (isAnnounced) => {
    const url = await webServer((_, response) => {
      if (isAnnounced) response.setHeader('content-length', 1000);
      response.write(Buffer.alloc(600));
      response.end(Buffer.alloc(400));
    });
    await expect(client({ maxBytes: 999 }).get(url)).rejects.toThrow('more than the 999 bytes');
    expect(await client({ maxBytes: 1000 }).get(url)).toHaveLength(1000);
  });

  it('ends when it is told to, with that reason', async () => {
    const abort = new AbortController();
    const url = await webServer(() => abort.abort(new Error('cancelled')));
    await expect(client().get(url, abort.signal)).rejects.toThrow('cancelled');
  });

  it.each([
    ['round in a circle', (url: string) => url, 'redirects more than 5 times'],
    ['a file', () => 'file:///etc/passwd', 'is at file:'],
  ])('does not follow a redirect to %s', async (_, target, reason) => {
    const url: string = await webServer((_request, response) =>
      response.writeHead(302, { location: target(url) }).end(),
    );
    await expect(client().get(url)).rejects.toThrow(reason);
  });
});

describe('an address of a private network', () => {
  const careful = client({ allowPrivateAddresses: false });

  it.each([
    'http://127.0.0.1:1/',
    'http://2130706433/', // 127.0.0.1 as one number
    'http://[::ffff:10.0.0.1]/',
  ])('is refused: %s', async (url) => {
    await expect(careful.get(url)).rejects.toThrow(
      /is an address of a private network; set PRIVATE_ADDRESSES/,
    );
  });

  it('is refused behind a name too', async () => {
    const url = await webServer((_, response) => response.end('inside'));
    const named = url.replace('127.0.0.1', 'localhost');
    const error = await careful.get(named).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DecodeError);
    expect(String(error)).toContain('localhost is an address of a private network');
  });

  it('is reached where that is allowed', async () => {
    const url = await webServer((_, response) => response.end('inside'));
    expect(Buffer.from(await client().get(url)).toString()).toBe('inside');
    await expect(careful.get(url)).rejects.toThrow('private network');
  });
});
