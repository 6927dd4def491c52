/** What the addresses mean, and what a wrong or dead one is told, without its password. */
import { ProblemError } from '@rela/contracts';
import { expect, it } from 'vitest';
import { freePort } from '../testing/server.js';
import { checkQueue, consume, openQueue, QueueUrlError } from './index.js';
import { parseQueueUrl } from './url.js';

it('takes user, password and database from the address of one server, percent-decoded', () => {
  expect(parseQueueUrl('redis://rela:p%40ss%2Fw%3Ard%25@redis.example/3')).toEqual({
    kind: 'redis',
    form: 'single',
    hosts: [{ host: 'redis.example', port: 6379 }],
    login: { username: 'rela', password: 'p@ss/w:rd%' },
    tls: null,
    database: 3,
  });
  expect(parseQueueUrl('redis://:secret@[::1]:6380')).toMatchObject({
    hosts: [{ host: '::1', port: 6380 }],
    login: { password: 'secret' },
    database: 0,
  });
});

it('takes the files of TLS from the query', () => {
  const query = 'ssl_ca_certs=/etc/ca.pem&ssl_certfile=/etc/rela.pem&ssl_keyfile=/etc/rela.key';
  expect(parseQueueUrl('rediss://redis.example')).toMatchObject({ tls: {} });
  expect(parseQueueUrl(`rediss://redis.example/0?${query}`)).toMatchObject({
    tls: { authority: '/etc/ca.pem', certificate: '/etc/rela.pem', key: '/etc/rela.key' },
  });
});

it('takes several sentinels, the name of the master, and the login of the sentinels', () => {
  const url = 'redis+sentinel://rela:secret@a.example,b.example:26380/main/2?sentinel_password=other';
  expect(parseQueueUrl(url)).toEqual({
    kind: 'redis',
    form: 'sentinel',
    hosts: [
      { host: 'a.example', port: 26379 },
      { host: 'b.example', port: 26380 },
    ],
    login: { username: 'rela', password: 'secret' },
    tls: null,
    master: 'main',
    database: 2,
    sentinelLogin: { password: 'other' },
  });
});

it('takes several nodes of a cluster', () => {
  expect(parseQueueUrl('rediss+cluster://rela:secret@a.example,b.example:7000')).toEqual({
    kind: 'redis',
    form: 'cluster',
    hosts: [
      { host: 'a.example', port: 6379 },
      { host: 'b.example', port: 7000 },
    ],
    login: { username: 'rela', password: 'secret' },
    tls: {},
  });
});

it.each([
  ['amqp://localhost', 'scheme "amqp"'],
  ['nonsense', 'scheme ""'],
  ['redis://', 'no host'],
  ['redis://u:secret@a,b/0', 'several hosts'],
  ['redis://u:secret@a:port', 'no host with a port'],
  ['redis://u:secret@a/zero', 'database'],
  ['redis://u:secret%@a', '%25'],
  ['redis://u:secret@a?ssl_ca_certs=/ca.pem', 'rediss://'],
  ['rediss://u:secret@a?ssl_ca_cert=/ca.pem', 'ssl_ca_certs'],
  ['redis+sentinel://u:secret@a,b', "master's name"],
  ['redis+cluster://u:secret@a,b/1', 'database 0'],
])('refuses %s and says what is wrong with it', async (url, reason) => {
  const refused = await openQueue(url).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(QueueUrlError);
  const { message } = refused as QueueUrlError;
  expect(message).toContain('QUEUE_URL');
  expect(message).toContain(reason);
  expect(message).not.toContain('secret');
});

it.each([
  ['redis://someone:secret@', '/0'],
  ['redis+sentinel://someone:secret@', '/main?sentinel_password=secret'],
  ['redis+cluster://someone:secret@', ''],
  ['postgres://someone:secret@', '/0'],
])('says that nothing answers at %s…%s, and keeps the password to itself', async (before, after) => {
  const port = await freePort();
  const url = `${before}127.0.0.1:${port}${after}`;
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
});
