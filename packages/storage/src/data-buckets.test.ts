/** Buckets of data, against an S3 server in this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import S3rver from 's3rver';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { type DataBucket, dataBuckets } from './index.js';
import { S3Bucket } from './s3-bucket.js';

let folder: string;
let server: S3rver;
let endpoint: string;
let bucket: DataBucket;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-s3-'));
  const configureBuckets = [{ name: 'data', configs: [] }];
  server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: folder, configureBuckets });
  await server.run();
  endpoint = `http://127.0.0.1:${(server.httpServer.address() as AddressInfo).port}`;
  // The only pair that s3rver knows.
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'S3RVER');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'S3RVER');
  bucket = dataBuckets({ endpoint, region: null })('data');
  const writer = new S3Bucket({ bucket: 'data', endpoint, region: undefined, pathStyle: true });
  for (const key of ['top', 'a/1', 'a/b/2', 'a/c/3', 'ab/4']) await writer.put(key, `at ${key}`);
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await server.close();
  await rm(folder, { recursive: true });
});

async function listed(prefix: string) {
  const found: string[] = [];
  for await (const { key, kind } of bucket.list(prefix)) found.push(`${kind} ${key}`);
  return found.sort();
}

it('list what lies in a folder, and its folders once', async () => {
  expect(await listed('')).toEqual(['folder a/', 'folder ab/', 'object top']);
  expect(await listed('a/')).toEqual(['folder a/b/', 'folder a/c/', 'object a/1']);
  expect(await listed('nothing/')).toEqual([]);
});

it('list page after page', async () => {
  // s3rver's pages end where OpenSSL has no DES; these are as Amazon documents them (ListObjectsV2).
  const pages: Record<string, string> = {
    '': '<IsTruncated>true</IsTruncated><NextContinuationToken>two+/=</NextContinuationToken><Contents><Key>a</Key></Contents>',
    'two+/=':
      '<IsTruncated>false</IsTruncated><Contents><Key>b</Key></Contents><CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>',
  };
  const paged = createServer((request, response) => {
    const asked = new URL(request.url!, 'http://localhost').searchParams.get('continuation-token') ?? '';
    response.setHeader('content-type', 'application/xml');
    response.end(`<ListBucketResult>${pages[asked]}</ListBucketResult>`);
  });
  await new Promise<void>((resolve) => paged.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    paged.closeAllConnections();
    paged.close();
  });
  const { port } = paged.address() as AddressInfo;
  const found = [];
  for await (const entry of dataBuckets({ endpoint: `http://127.0.0.1:${port}`, region: null })('data').list(
    '',
  ))
    found.push(entry);
  expect(found).toEqual([
    { key: 'a', kind: 'object' },
    { key: 'c/', kind: 'folder' },
    { key: 'b', kind: 'object' },
  ]);
});

it('give the size and the bytes of an object, or a range of them', async () => {
  const read = async (range?: { start: number; end: number }) => {
    const found = await bucket.get('a/b/2', range);
    return found && (await buffer(Readable.from(found.body))).toString();
  };
  expect(await bucket.size('a/b/2')).toBe(8);
  expect([await read(), await read({ start: 3, end: 6 })]).toEqual(['at a/b/2', 'a/b']);
  expect([await bucket.size('absent'), await bucket.get('absent')]).toEqual([null, null]);
});

it('that are not there are told of, with the setting of the server', async () => {
  const absent = dataBuckets({ endpoint, region: null })('absent');
  await expect(absent.list('').next()).rejects.toMatchObject({
    code: 'unavailable',
    detail: expect.stringMatching(/^The bucket absent at http:.*NoSuchBucket.*S3_ENDPOINT/),
  });
});
