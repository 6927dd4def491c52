/** WebDataset: samples of shards, their labels, and archives that were made to harm. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createFiles } from '../files/files.js';
import { allOf, png, put, tar, testFolder } from '../testing/fixtures.js';
import { openWebDataset } from './webdataset.js';

const files = createFiles();
type Members = Parameters<typeof tar>[0];

async function shard(name: string, members: Members): Promise<string> {
  return put(join(await testFolder(), name), await tar(members));
}

const named = async (path: string, more: object = {}) => {
  const source = await openWebDataset({ files, train: path, ...more });
  const images = await allOf(source.train);
  return { classes: source.classes, images: images.map(({ name, label }) => [name, label]) };
};

describe('samples', () => {
  it('are the files that are named alike up to the first dot, in the order of the archive', async () => {
    const image = await png(2, 2, 3);
    const path = await shard('train-000.tar', [
      { name: './a/0002.png', bytes: image },
      { name: './a/0002.cls', bytes: '1\n' },
      { name: './a/0002.txt', bytes: 'a caption' },
      { name: 'a/0001.cls', bytes: '0' },
      { name: 'a/0001.left.png', bytes: image },
      { name: 'b', header: { type: 'directory' } },
      { name: 'b/.hidden.png', bytes: 'x' },
    ]);
    expect(await named(path)).toEqual({
      classes: 'numbered',
      images: [
        ['train-000.tar/a/0002.png', 1],
        ['train-000.tar/a/0001.left.png', 0],
      ],
    });
    const { train } = await openWebDataset({ files, train: path });
    const [first] = await allOf(train);
    expect(first!.kind === 'file' && Buffer.compare(await first!.read(), image)).toBe(0);
  });

  it('come from all shards that braces, a star, a folder or a list name, plain or gzip', async () => {
    const folder = await testFolder();
    for (const [index, name] of ['t-000.tar', 't-001.tar', 't-002.tar.gz'].entries()) {
      const bytes = await tar([{ name: `${index}.png`, bytes: await png(1, 1, 1) }]);
      await put(join(folder, name), name.endsWith('gz') ? gzipSync(bytes) : bytes);
    }
    const all = [
      ['t-000.tar/0.png', null],
      ['t-001.tar/1.png', null],
      ['t-002.tar.gz/2.png', null],
    ];
    for (const train of [`${folder}/t-{000..001}.tar`, `${folder}/*.tar`])
      expect((await named(train)).images).toEqual(all.slice(0, 2));
    expect((await named(folder)).images).toEqual(all);
    const list = ['t-002.tar.gz', 't-000.tar'].map((name) => join(folder, name));
    expect(
      (await allOf((await openWebDataset({ files, train: list })).train)).map(({ name }) => name),
    ).toEqual(['t-002.tar.gz/2.png', 't-000.tar/0.png']);
    await expect(openWebDataset({ files, train: `${folder}/t-{000..003}.tar` })).rejects.toThrow(
      't-002.tar is not there',
    );
  });

  it('have labels in a JSON file, by number or by name', async () => {
    const bytes = await png(1, 1, 1);
    const path = await shard('x.tar', [
      { name: '0.png', bytes },
      { name: '0.json', bytes: '{"label": 4, "kind": "dog"}' },
      { name: '1.png', bytes },
      { name: '1.json', bytes: '{"label": 2, "kind": "cat"}' },
    ]);
    const labels = ({ images }: Awaited<ReturnType<typeof named>>) => images.map(([, label]) => label);
    expect(labels(await named(path))).toEqual([4, 2]);
    const byName = await named(path, { label: 'json.kind' });
    expect([byName.classes, labels(byName)]).toEqual([
      ['dog', 'cat'],
      [0, 1],
    ]);
    const inOrder = await named(path, { label: 'json.kind', classes: ['cat', 'dog'] });
    expect([inOrder.classes, labels(inOrder)]).toEqual([
      ['cat', 'dog'],
      [1, 0],
    ]);
    expect(await named(path, { label: null })).toMatchObject({ classes: null });
    await expect(named(path, { label: 'json.kind', classes: ['cat', 'fog'] })).rejects.toThrow(
      'x.tar/0 has the label "dog", which is none of the 2 classes; did you mean "fog"?',
    );
    await expect(named(path, { label: 'txt' })).rejects.toThrow('x.tar/0 has no label .txt; it has .png');
  });

  it('without an image are counted among those that do not decode', async () => {
    const path = await shard('x.tar', [{ name: '0.cls', bytes: '1' }]);
    const [image] = await allOf((await openWebDataset({ files, train: path })).train);
    await expect(image!.kind === 'file' && image!.read()).rejects.toThrow('has no image; it has .cls');
  });

  it('are read up to a limit', async () => {
    const bytes = await png(1, 1, 1);
    const path = await shard('x.tar', [
      { name: '0.png', bytes },
      { name: '1.png', bytes },
      { name: '2.png', bytes },
    ]);
    expect((await named(path, { limit: { train: 2 } })).images).toHaveLength(2);
  });
});

describe('an archive is refused', () => {
  it.each([
    [
      'a path that leads out',
      { name: '../../etc/cron.d/x.png' },
      /"\.\.\/\.\.\/etc\/cron\.d\/x\.png" leads out/,
    ],
    ['an absolute path', { name: '/etc/passwd' }, /"\/etc\/passwd" has an absolute path/],
    ['a path with ".." inside', { name: 'a/../../b.png' }, /leads out/],
    ['a path of Windows', { name: 'C:\\x.png' }, /absolute path/],
    [
      'a symbolic link',
      { name: 'a.png', header: { type: 'symlink', linkname: '/etc/passwd' } },
      /"a.png" is a link to "\/etc\/passwd"/,
    ],
    [
      'a hard link',
      { name: 'a.png', header: { type: 'link', linkname: 'b.png' } },
      /"a.png" is a link to "b.png"/,
    ],
    [
      'a device',
      { name: 'a.png', header: { type: 'character-device' } },
      /"a.png" is no file but a character-device/,
    ],
  ] as const)('with the name of its member: %s', async (_, member, reason) => {
    const path = await shard('bad.tar', [
      { name: 'good.png', bytes: await png(1, 1, 1) },
      member as Members[number],
    ]);
    await expect(named(path)).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringMatching(reason),
    });
  });

  it.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, 700)],
    ['cut off and packed', (bytes: Buffer) => gzipSync(bytes).subarray(0, 60)],
    ['something else', () => Buffer.alloc(2000, 'no archive ')],
  ])('with its path: %s', async (_, damaged) => {
    const bytes = await tar([{ name: '0.png', bytes: Buffer.alloc(1000, 7) }]);
    const path = await put(join(await testFolder(), 'x.tar'), damaged(bytes));
    await expect(named(path)).rejects.toMatchObject({
      code: 'invalid-data',
      detail: expect.stringMatching(/x\.tar cannot be read as a tar archive/),
    });
  });

  it('where its labels are numbers here and names there', async () => {
    const bytes = await png(1, 1, 1);
    const path = await shard('x.tar', [
      { name: '0.png', bytes },
      { name: '0.cls', bytes: '3' },
      { name: '1.png', bytes },
      { name: '1.cls', bytes: 'cat' },
    ]);
    await expect(named(path)).rejects.toThrow(
      'x.tar/1 has the label "cat", and the labels before it are numbers',
    );
  });
});

it('reading ends when it is told to', async () => {
  const bytes = await png(1, 1, 1);
  const path = await shard('x.tar', [
    { name: '0.png', bytes },
    { name: '1.png', bytes },
  ]);
  const abort = new AbortController();
  const { train } = await openWebDataset({ files, train: path });
  const reading = (async () => {
    for await (const _ of train.images(abort.signal)) abort.abort(new Error('cancelled'));
  })();
  await expect(reading).rejects.toThrow('cancelled');
});
