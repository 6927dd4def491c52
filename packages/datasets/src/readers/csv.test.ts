/** CSV manifests: columns, quoting, splits, paths; what the web does is in files/web-files.test.ts. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { createFiles } from '../files/files.js';
import { WebFiles } from '../files/web-files.js';
import { allOf, put, testFolder } from '../testing/fixtures.js';
import { openCsv } from './csv.js';

const files = createFiles();
const web = new WebFiles({ concurrency: 4, timeoutSeconds: 1, retries: 0, allowPrivateAddresses: false });

async function open(text: string | Uint8Array, more: object = {}) {
  const path = await put(join(await testFolder(), 'table.csv'), text);
  return openCsv({ files, web, path, ...more });
}

async function rows(text: string | Uint8Array, more: object = {}) {
  const { train, test, classes } = await open(text, more);
  const of = async (split: typeof test) =>
    split && (await allOf(split)).map(({ name, label }) => [name, label]);
  return { classes, train: await of(train), test: await of(test), count: train.count };
}

it('reads a row an image, with labels by name, in the order of the names', async () => {
  expect(await rows('\ufeffurl,label\nhttp://a/1.png,dog\nb.png,cat\n')).toEqual({
    classes: ['cat', 'dog'],
    count: 2,
    train: [
      ['line 2 (http://a/1.png)', 1],
      ['line 3 (b.png)', 0],
    ],
    test: null,
  });
});

it('takes labels that are all numbers as numbers, unless the classes are named', async () => {
  expect(await rows('path,label\na,3\nb,10\n')).toMatchObject({
    classes: 'numbered',
    train: [
      ['line 2 (a)', 3],
      ['line 3 (b)', 10],
    ],
  });
  expect(await rows('path,label\na,3\nb,10\n', { classes: ['10', '3'] })).toMatchObject({
    classes: ['10', '3'],
    train: [
      ['line 2 (a)', 1],
      ['line 3 (b)', 0],
    ],
  });
});

it('knows quotes, other delimiters and gzip', async () => {
  const quoted = 'label;file\n"the ""big"" one;\nhere";"a;b.png"\n';
  const expected = { classes: ['the "big" one;\nhere'], train: [[expect.stringContaining('(a;b.png)'), 0]] };
  expect(await rows(quoted, { delimiter: ';' })).toMatchObject(expected);
  expect(await rows(gzipSync(quoted), { delimiter: ';' })).toMatchObject(expected);
});

it('takes the splits that are named, and passes over the others', async () => {
  const text = 'path,label,split\na,x,train\nb,y,val\nc,x,test\nd,y,train\n';
  expect(await rows(text)).toMatchObject({ count: 2, test: [['line 4 (c)', 0]], classes: ['x', 'y'] });
  expect(await rows(text, { split: { test: 'val' } })).toMatchObject({ test: [['line 3 (b)', 1]] });
  expect(await rows(text.replace('split', 'part'), { split: { column: 'part' } })).toMatchObject({
    count: 2,
  });
  await expect(open(text, { split: { train: 'training' } })).rejects.toThrow(
    /no training rows: the splits of its rows are train, val\..*source\.split\.train/,
  );
});

it('reads up to a limit, and goes without labels where told to', async () => {
  const text = 'path,label\na,x\nb,y\nc,z\n';
  expect(await rows(text, { limit: { train: 2 }, label: null })).toEqual({
    classes: null,
    count: 2,
    train: [
      ['line 2 (a)', null],
      ['line 3 (b)', null],
    ],
    test: null,
  });
});

it.each([
  [
    'the column that is named',
    { image: 'ulr' },
    /no column "ulr"; did you mean "url"\? Columns: url, label\. .*source\.image/,
  ],
  [
    'the column of the labels',
    { label: 'class' },
    /no column "class"\. Columns: url, label\..*source\.label/,
  ],
  ['the column of the splits', { split: { column: 'fold' } }, /no column "fold".*source\.split\.column/],
])('is refused without %s, with the columns that there are', async (_, more, reason) => {
  await expect(open('url,label\na,b\n', more)).rejects.toMatchObject({
    code: 'invalid-data',
    detail: expect.stringMatching(reason),
  });
});

it('is refused where nothing looks like an image, a line is broken, or nothing is there', async () => {
  await expect(open('id,text\n1,2\n')).rejects.toThrow(/none of the columns url, path.*Columns: id, text/);
  await expect(open('url,label\na,b\nc\n')).rejects.toThrow(/cannot be read as CSV:.*line 3/);
  await expect(open('url,label\n"a,b\n')).rejects.toThrow('cannot be read as CSV');
  await expect(open('')).rejects.toThrow('is empty');
  await expect(open('url,label\n')).rejects.toThrow('has no training rows');
});

it('reads paths from where the manifest lies', async () => {
  const folder = await testFolder();
  await put(join(folder, 'deep', 'a.png'), 'one');
  await put(join(folder, 'b.png'), 'two');
  const path = await put(
    join(folder, 'list', 'x.csv'),
    `path\n../deep/a.png\n${join(folder, 'b.png')}\nc.png\n`,
  );
  const { train } = await openCsv({ files, web, path });
  const [one, two, missing] = await allOf(train);
  const text = async (image: typeof one) =>
    image!.kind === 'file' && Buffer.from(await image!.read()).toString();
  expect([await text(one), await text(two)]).toEqual(['one', 'two']);
  await expect(text(missing)).rejects.toThrow(/c\.png cannot be opened/);
});

it('reads no path of this machine for a manifest that lies in a bucket', async () => {
  const objects: Record<string, string> = {
    'data/x.csv': 'path\n/etc/passwd\n../../x\na.png\nftp://b/c\n',
    'data/a.png': 'inside',
  };
  const inBucket = createFiles(() => ({
    async *list() {
      yield { key: 'data/', kind: 'folder' as const };
    },
    size: async (key) => objects[key]?.length ?? null,
    get: async (key) => {
      const bytes = objects[key];
      return bytes === undefined
        ? null
        : {
            body: (async function* () {
              yield Buffer.from(bytes);
            })(),
          };
    },
  }));
  const { train } = await openCsv({ files: inBucket, web, path: 's3://b/data/x.csv' });
  const [absolute, above, within, other] = await allOf(train);
  const read = async (image: typeof absolute) =>
    image!.kind === 'file' && Buffer.from(await image!.read()).toString();
  await expect(read(absolute)).rejects.toThrow('leads out of the folder of the manifest');
  await expect(read(above)).rejects.toThrow('leads out of the folder of the manifest');
  await expect(read(within)).resolves.toBe('inside');
  await expect(read(other)).rejects.toThrow('is at ftp:');
});
