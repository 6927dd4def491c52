import { DatasetSource, DEFAULT_TENANT } from '@rela/contracts';
import { expect, it } from 'vitest';
import { assertPaths, pathsOfDataset } from './named-paths.js';

const TENANT = 'tnt_1';

/** One source of each kind, every path in it "/data/…". */
const sources = [
  { kind: 'recipe', recipe: 'mnist', folder: '/data/a' },
  { kind: 'idx', train: { images: '/data/a', labels: '/data/b' }, test: { images: '/data/c' } },
  { kind: 'npy', train: { images: '/data/a', labels: '/data/b' }, test: { images: '/data/c' } },
  { kind: 'folder', path: '/data/a', test: '/data/b' },
  { kind: 'cifar', path: '/data/a' },
  { kind: 'npz', path: '/data/a' },
  { kind: 'csv', path: '/data/a' },
  { kind: 'webdataset', train: ['/data/a-{0..3}', '/data/b'], test: '/data/c' },
  { kind: 'parquet', train: '/data/a', test: ['/data/b'] },
].map((source) => DatasetSource.parse(source));

it('finds every path of every kind of source', () => {
  for (const source of sources) {
    const found = pathsOfDataset(source).map(({ path }) => path);
    expect(found.sort(), source.kind).toEqual((JSON.stringify(source).match(/\/data\/[^"]+/g) ?? []).sort());
  }
});

it('lets a tenant name what the service offers, and nothing beside it or above it', () => {
  const ask = (path: string, folders: string[] | null, tenant = TENANT) =>
    assertPaths([{ field: 'source.path', path }], tenant, folders);
  for (const path of ['/data', '/data/flowers', '/data/a/../b', 's3://bucket/key']) ask(path, ['/data']);
  for (const path of ['/database', '/data/../etc/passwd', '/', 'data', '/data/{0..1}/../../etc'])
    expect(() => ask(path, ['/data']), path).toThrow(/source\.path is not below \/data\./);
  expect(() => ask('/data/flowers', null)).toThrow('which offers none to your tenant');
  ask('s3://bucket/key', null);
});

it('leaves the default tenant to name anything, unless folders are named', () => {
  const named = [{ field: 'source.path', path: '/anywhere' }];
  assertPaths(named, DEFAULT_TENANT.id, null);
  expect(() => assertPaths(named, DEFAULT_TENANT.id, ['/data'])).toThrow('is not below /data');
});
