/// <reference path="../../packages/storage/src/s3rver.d.ts" />
/** Images from every kind of place, taken in by the real service; one of them all the way to a trained model. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Dataset } from '@rela/contracts';
import type { DatasetInput } from '@rela/sdk';
import { parquetWriteBuffer } from 'hyparquet-writer';
import S3rver from 's3rver';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rela } from '../rela.js';
import { shortRun, startService, type TestService } from '../service.js';

const CLASSES = ['bright', 'dark'];
const COUNT = 64;

let service: TestService;
let s3: S3rver;
let web: Server;
let files: string;

/** Image i of class i % 2: noise around a grey that tells the class. */
function image(index: number): Promise<Buffer> {
  const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, (_, at) => {
    const noise = (Math.imul(at + 1, 2654435761 + 40503 * index) >>> 24) / 4;
    return (index % 2 === 0 ? 170 : 20) + noise;
  });
  return sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } })
    .png()
    .toBuffer();
}

async function writeTar(path: string, from: number, to: number): Promise<void> {
  const archive = pack();
  for (let index = from; index < to; index++) {
    archive.entry({ name: `${index}.png` }, await image(index));
    archive.entry({ name: `${index}.cls` }, String(index % 2));
  }
  archive.finalize();
  await writeFile(path, Readable.from(archive));
}

async function writeParquet(path: string, from: number, to: number): Promise<void> {
  const indices = Array.from({ length: to - from }, (_, index) => from + index);
  const features = { image: { _type: 'Image' }, label: { _type: 'ClassLabel', names: CLASSES } };
  const bytes = parquetWriteBuffer({
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'image', repetition_type: 'OPTIONAL', num_children: 2 },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'label', type: 'INT64', repetition_type: 'OPTIONAL' },
    ],
    columnData: [
      {
        name: 'image',
        data: await Promise.all(
          indices.map(async (index) => ({ bytes: await image(index), path: `${index}.png` })),
        ),
      },
      { name: 'label', data: indices.map((index) => BigInt(index % 2)) },
    ],
    rowGroupSize: 20,
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }],
  });
  await writeFile(path, new Uint8Array(bytes));
}

beforeAll(async () => {
  files = await mkdtemp(join(tmpdir(), 'rela-sources-'));
  await writeTar(join(files, 'train-000.tar'), 0, COUNT / 2);
  await writeTar(join(files, 'train-001.tar'), COUNT / 2, COUNT);
  await writeTar(join(files, 'test.tar'), COUNT, COUNT + 16);
  await writeParquet(join(files, 'train-0.parquet'), 0, COUNT);
  await writeParquet(join(files, 'test-0.parquet'), COUNT, COUNT + 16);

  s3 = new S3rver({
    ...{ port: 0, address: '127.0.0.1', silent: true, directory: join(files, 's3') },
    configureBuckets: [{ name: 'images', configs: [] }],
  });
  await s3.run();
  const endpoint = `http://127.0.0.1:${(s3.httpServer.address() as AddressInfo).port}`;
  // The only pair that s3rver knows.
  const keys = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: keys.AWS_ACCESS_KEY_ID, secretAccessKey: keys.AWS_SECRET_ACCESS_KEY },
  });
  const put = (Key: string, Body: Buffer) =>
    client.send(new PutObjectCommand({ Bucket: 'images', Key, Body }));
  for (let index = 0; index < 12; index++)
    await put(`pictures/${CLASSES[index % 2]}/${index}.png`, await image(index));
  for (const name of ['train-000.tar', 'train-001.tar', 'train-0.parquet'])
    await put(`shards/${name}`, await readFile(join(files, name)));
  await put('table.csv', Buffer.from('path,label\npictures/bright/0.png,bright\npictures/dark/1.png,dark\n'));
  client.destroy();
  web = createServer(async (request, response) => {
    const index = /^\/(\d+)\.png$/.exec(request.url ?? '')?.[1];
    if (index === undefined) response.writeHead(404).end();
    else response.end(await image(Number(index)));
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  service = await startService({
    S3_ENDPOINT: endpoint,
    ...keys,
    PRIVATE_ADDRESSES: 'true',
  });
});

afterAll(async () => {
  await service?.close();
  web?.closeAllConnections();
  web?.close();
  await s3?.close();
  await rm(files, { recursive: true, force: true });
});

async function take(
  name: string,
  source: DatasetInput['source'],
  more: Partial<DatasetInput> = {},
): Promise<Dataset> {
  const { id } = await service.client.datasets.create({ name, source, shardSize: 16, ...more });
  return service.client.datasets.waitUntilReady(id);
}

const shards = () => ({
  kind: 'webdataset' as const,
  train: join(files, 'train-{000..001}.tar'),
  test: join(files, 'test.tar'),
});

it('a WebDataset and a Parquet file of the same images give the same data set, and a run trains on it', async () => {
  const fromTar = await take('tar', shards(), { classes: CLASSES });
  expect(fromTar).toMatchObject({ train: COUNT, test: 16, classes: CLASSES, channels: 3, warnings: [] });
  expect(fromTar.imageSize).toEqual({ height: 16, width: 16 });
  const fromParquet = await take('parquet', {
    kind: 'parquet',
    train: join(files, 'train-*.parquet'),
    test: join(files, 'test-0.parquet'),
  });
  expect(fromParquet).toMatchObject({ train: COUNT, test: 16, classes: CLASSES });
  expect([fromParquet.mean, fromParquet.std]).toEqual([fromTar.mean, fromTar.std]);

  const { client } = service;
  const evaluation = { probe: { epochs: 30, learningRate: 0.03 } };
  const runs = [shortRun('a', { method: { name: 'supervised' }, epochs: 4, evaluation })];
  const job = await client.jobs.wait((await client.jobs.create({ dataset: 'parquet', runs })).id);
  expect(job).toMatchObject({ status: 'succeeded', error: null });
  expect((await client.runs.get(job.runs[0]!.id)).result).toMatchObject({ accuracy: 1, knn: 1 });
});

it('S3 holds class folders, archives, tables and manifests just as a disk does', async () => {
  const folder = await take('s3-folder', { kind: 'folder', path: 's3://images/pictures' });
  expect(folder).toMatchObject({ train: 12, classes: CLASSES });
  const tar = await take('s3-tar', { kind: 'webdataset', train: 's3://images/shards' });
  expect(tar).toMatchObject({ train: COUNT, classes: ['0', '1'] });
  const parquet = await take('s3-parquet', { kind: 'parquet', train: 's3://images/shards/*.parquet' });
  expect(parquet).toMatchObject({ train: COUNT, classes: CLASSES });
  expect(parquet.mean).toEqual(tar.mean);
  const table = await take('s3-csv', { kind: 'csv', path: 's3://images/table.csv' });
  expect(table).toMatchObject({ train: 2, classes: CLASSES });
  await expect(take('s3-none', { kind: 'folder', path: 's3://images/nothing' })).rejects.toThrow(
    /There are no images in s3:\/\/images\/nothing/,
  );
});

it('the command line takes a manifest of addresses, and names the row that cannot be had', async () => {
  const { port } = web.address() as AddressInfo;
  const rows = Array.from(
    { length: 10 },
    (_, i) => `http://127.0.0.1:${port}/${i}.png,${CLASSES[i % 2]},train`,
  );
  const gone = `http://127.0.0.1:${port}/gone.png`;
  const path = join(files, 'table.csv');
  await writeFile(path, ['picture,kind,part', ...rows, `${gone},dark,train`].join('\n'));
  const add = (...more: string[]) =>
    rela(
      ...['--home', service.service.home, '--json', 'datasets', 'add', 'table', '--wait', '--csv', path],
      ...['--image', 'picture', '--label', 'kind', '--split-column', 'part', ...more],
    );
  const strict = await add();
  expect(strict.code).toBe(1);
  expect(strict.stderr + strict.stdout).toContain(`line 12 (${gone}) (the server answers 404)`);
  const lenient = await add('--tolerance', '0.1', '--mean', '0.5', '--std', '0.25');
  expect(lenient).toMatchObject({ code: 0, stderr: '' });
  expect(Dataset.parse(JSON.parse(lenient.stdout))).toMatchObject({
    ...{ train: 10, classes: CLASSES, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    undecodable: { count: 1, examples: [{ name: `line 12 (${gone})`, reason: 'the server answers 404' }] },
  });
});

it('sources that harm or do not fit are refused, with the field and what is there', async () => {
  const { client } = service;
  const harmful = pack();
  harmful.entry({ name: '../../../etc/cron.d/0.png' }, 'x');
  harmful.finalize();
  await writeFile(join(files, 'harmful.tar'), Readable.from(harmful));
  await expect(take('harmful', { kind: 'webdataset', train: join(files, 'harmful.tar') })).rejects.toThrow(
    /harmful\.tar is refused: its member "\.\.\/\.\.\/\.\.\/etc\/cron\.d\/0\.png"/,
  );
  const train = join(files, 'train-0.parquet');
  await expect(take('no image', { kind: 'parquet', train, image: 'label' })).rejects.toThrow(
    /no images in the column "label": it is INT64.*Columns: image \(\{bytes, path\}\), label \(INT64\).*source\.image/,
  );
  const elsewhere = { kind: 'parquet' as const, train: 'https://example.org/a.parquet' };
  await expect(client.datasets.create({ name: 'web', source: elsewhere })).rejects.toMatchObject({
    problem: { code: 'invalid-request', errors: [{ field: expect.stringMatching(/^source/) }] },
  });
});

it('a data set whose images are all the same is taken with a warning, and jobs on it are refused by field', async () => {
  const path = join(files, 'same.csv');
  await writeFile(join(files, 'same.png'), await image(0));
  await writeFile(path, `path\n${'same.png\n'.repeat(64)}`);
  const same = await take('same', { kind: 'csv', path });
  expect(same.warnings).toEqual([expect.stringContaining('All 64 training images are the same')]);
  await expect(service.client.jobs.create({ dataset: 'same', runs: [shortRun('a')] })).rejects.toMatchObject({
    problem: {
      code: 'invalid-request',
      errors: [
        { field: 'dataset', message: expect.stringContaining('all of its training images are the same') },
      ],
    },
  });
});
