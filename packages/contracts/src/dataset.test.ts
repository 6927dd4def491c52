import { expect, it } from 'vitest';
import { DatasetCreate } from './dataset.js';

const fault = (source: object, more: object = {}) => {
  const { error } = DatasetCreate.safeParse({ name: 'a', source, ...more });
  return error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
};
const folder = (path: string) => fault({ kind: 'folder', path });

it('takes paths of a file system and of buckets, and no other addresses', () => {
  for (const path of ['/data', 'data/x', 'C:/data', 's3://bucket', 's3://bucket/a b/c', 's3://bucket/a/'])
    expect(folder(path), path).toBeUndefined();
  expect(folder('https://example.org/a')).toMatch(/^source\.path: is an address; files are read from paths/);
  expect(folder('gs://bucket/a')).toMatch(/is an address/);
  for (const path of ['s3://', 's3:///a', 's3://bucket/a?endpoint=http://10.0.0.1'])
    expect(folder(path), path).toMatch(/is not s3:\/\/bucket\/key; server and region are settings/);
});

it('has a download rule for manifests that do not give one', () => {
  const parse = (download?: object) =>
    DatasetCreate.parse({ name: 'a', source: { kind: 'csv', path: 'x.csv', download } }).source;
  expect(parse()).toMatchObject({ download: { concurrency: 16, timeoutSeconds: 30, retries: 2 } });
  expect(parse({ retries: 0 })).toMatchObject({
    download: { concurrency: 16, timeoutSeconds: 30, retries: 0 },
  });
});

it('takes one number or three to normalise with, and names every class once', () => {
  const source = { kind: 'folder', path: '/data' };
  expect(fault(source, { normalization: { mean: [0.5], std: [0.2, 0.2, 0.2] } })).toBeUndefined();
  expect(fault(source, { normalization: { mean: [0.5], std: [0] } })).toMatch(/^normalization\.std/);
  expect(fault(source, { normalization: { mean: [0.5, 0.5], std: [0.2] } })).toMatch(/^normalization\.mean/);
  expect(fault(source, { normalization: { mean: [0.5] } })).toMatch(/^normalization\.std/);
  expect(fault(source, { classes: ['a', 'b', 'a'] })).toBe('classes: names a class twice');
});
