/** From options to a source, as the service takes it. */
import { resolve } from 'node:path';
import { DatasetSource } from '@rela/contracts';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { addSourceOptions, sourceOf } from './sources.js';

function parse(...args: string[]) {
  const command = addSourceOptions(new Command()).exitOverride();
  return sourceOf(command.parse(args, { from: 'user' }).opts());
}

it.each([
  [['--folder', 'a', '--test-fraction', '0.1'], { kind: 'folder', path: resolve('a'), testFraction: 0.1 }],
  [['--folder', 's3://b/a', '--test', 't'], { kind: 'folder', path: 's3://b/a', test: resolve('t') }],
  [['--recipe', 'mnist', '--folder', 'a'], { kind: 'recipe', recipe: 'mnist', folder: resolve('a') }],
  [['--cifar', 'a', '--cifar-labels', 'coarse'], { kind: 'cifar', path: resolve('a'), labels: 'coarse' }],
  [['--npz', 'a.npz'], { kind: 'npz', path: resolve('a.npz') }],
  [
    ['--npy-images', 'x', '--npy-labels', 'y', '--npy-test-images', 'z'],
    { kind: 'npy', train: { images: resolve('x'), labels: resolve('y') }, test: { images: resolve('z') } },
  ],
  [
    ['--webdataset', 's3://b/{0..3}.tar', 'c.tar', '--test', 'd.tar', '--label', 'json.kind'],
    {
      ...{ kind: 'webdataset', train: ['s3://b/{0..3}.tar', resolve('c.tar')], test: resolve('d.tar') },
      label: 'json.kind',
    },
  ],
  [
    ['--parquet', 'a/*.parquet', '--image', 'img', '--no-labels'],
    { kind: 'parquet', train: resolve('a/*.parquet'), image: 'img', label: null },
  ],
  [
    ['--csv', 'a.csv', '--delimiter', ';', '--test-split', 'val', '--downloads', '4'],
    {
      ...{ kind: 'csv', path: resolve('a.csv'), delimiter: ';', split: { test: 'val' } },
      download: { concurrency: 4 },
    },
  ],
])('reads %j', (args, source) => {
  expect(parse(...args)).toEqual(source);
  expect(DatasetSource.safeParse(source).error).toBeUndefined();
});

it('refuses two sources, and none', () => {
  expect(() => parse('--csv', 'a', '--parquet', 'b')).toThrow('--parquet FILES or --csv PATH');
  expect(() => parse()).toThrow(/Say where the images are: --recipe NAME, --folder PATH.*--csv PATH/);
});
