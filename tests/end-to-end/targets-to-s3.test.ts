/** Targets exported to a bucket by the command line, against an S3 server in this process. */
/// <reference path="../../packages/storage/src/s3rver.d.ts" />
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import S3rver from 's3rver';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { rela } from '../rela.js';
import { addRandomPrior, addShapes, startService, type TestService } from '../service.js';

let service: TestService;
let server: S3rver;
let client: S3Client;
let job: string;

beforeAll(async () => {
  service = await startService();
  const directory = join(service.folder, 's3');
  await mkdir(directory);
  const configureBuckets = [{ name: 'training', configs: [] }];
  server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory, configureBuckets });
  await server.run();
  const endpoint = `http://127.0.0.1:${(server.httpServer.address() as AddressInfo).port}`;
  // The only pair that s3rver knows; commands inherit the environment.
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
  vi.stubEnv('AWS_ACCESS_KEY_ID', credentials.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', credentials.secretAccessKey);
  vi.stubEnv('S3_ENDPOINT', endpoint);
  client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  await addShapes(service, 'shapes', 150);
  await addRandomPrior(service, 'random');
  const made = await service.client.jobs.create({ dataset: 'shapes', prior: 'random', targets: {} });
  expect(await service.client.jobs.wait(made.id)).toMatchObject({ status: 'succeeded' });
  job = made.id;
});
afterAll(async () => {
  vi.unstubAllEnvs();
  client?.destroy();
  await server?.close();
  await service?.close();
});

const exported = (output: string, ...more: string[]) =>
  rela(
    ...['--home', service.service.home, '--json', 'targets', 'export', job, '-o', output],
    ...['--shard-size', '100', ...more],
  );

async function objects(prefix: string): Promise<string[]> {
  const { Contents = [] } = await client.send(
    new ListObjectsV2Command({ Bucket: 'training', Prefix: prefix }),
  );
  return Contents.map(({ Key }) => Key!.slice(prefix.length)).sort();
}

async function bytesOf(key: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'training', Key: key }));
  return Buffer.from(await Body!.transformToByteArray());
}

it.each(['parquet', 'webdataset', 'npy'])(
  'an export in a bucket is that of a folder, as %s',
  async (format) => {
    const folder = join(service.folder, format);
    expect(await exported(folder, '--format', format, '--images')).toMatchObject({ code: 0, stderr: '' });
    const there = await exported(`s3://training/rela/${format}/`, '--format', format, '--images');
    expect(there.code, there.stderr).toBe(0);
    expect(JSON.parse(there.stdout)).toMatchObject({ folder: `s3://training/rela/${format}`, count: 150 });
    const names = (await readdir(folder)).sort();
    expect(await objects(`rela/${format}/`)).toEqual(names);
    for (const name of names)
      expect([
        name,
        (await bytesOf(`rela/${format}/${name}`)).equals(await readFile(join(folder, name))),
      ]).toEqual([name, true]);
    await rm(folder, { recursive: true });
  },
);

it('an export that is there already is written over by --force alone', async () => {
  const refused = await exported('s3://training/rela/npy', '--format', 'npy');
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/s3:\/\/training\/rela\/npy holds an export already.*--force/),
  });
  const forced = await exported('s3://training/rela/npy', '--format', 'npy', '--no-labels', '--force');
  expect(forced.code, forced.stderr).toBe(0);
  expect(await objects('rela/npy/')).toEqual([
    ...['index-00000.npy', 'index-00001.npy', 'targets-00000.npy', 'targets-00001.npy', 'targets.json'],
  ]);
});

it('says which bucket is not there, and what to look at', async () => {
  expect(await exported('s3://elsewhere/rela', '--format', 'npy')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/bucket elsewhere at http.*NoSuchBucket.*Look at S3_ENDPOINT/),
  });
  expect(await exported('s3://', '--format', 'npy')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('names no bucket. It reads s3://bucket/prefix.'),
  });
});
