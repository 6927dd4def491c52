/** CIFAR's binary version: planes, labels, names, and files that are not whole. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createFiles } from '../files/files.js';
import { allOf, noise, put, testFolder } from '../testing/fixtures.js';
import { openCifar } from './cifar.js';

const files = createFiles();
const PIXELS = 3072;

/** A record: its label bytes, then planes of one value each. */
function record(labels: number[], [red, green, blue]: [number, number, number]): Buffer {
  const planes = [red, green, blue].map((value) => Buffer.alloc(1024, value));
  return Buffer.concat([Uint8Array.from(labels), ...planes]);
}

async function cifar10(...batches: Buffer[]): Promise<string> {
  const path = await testFolder();
  for (const [index, batch] of batches.entries()) await put(join(path, `data_batch_${index + 1}.bin`), batch);
  await put(join(path, 'test_batch.bin'), record([1], [7, 8, 9]));
  await put(join(path, 'batches.meta.txt'), 'airplane\nautomobile\n\n');
  return path;
}

it('reads the batches of CIFAR-10 in order, channel beside channel, with the names of the classes', async () => {
  const path = await cifar10(
    Buffer.concat([record([1], [1, 2, 3]), record([0], [4, 5, 6])]),
    Buffer.concat([Uint8Array.of(1), noise(PIXELS)]),
  );
  const { classes, train, test } = await openCifar({ files, path });
  expect(classes).toEqual(['airplane', 'automobile']);
  expect([train.count, test?.count]).toEqual([3, 1]);
  const images = await allOf(train);
  expect(images.map(({ name, label }) => [name, label])).toEqual([
    ['data_batch_1.bin#0', 1],
    ['data_batch_1.bin#1', 0],
    ['data_batch_2.bin#0', 1],
  ]);
  expect(images[0]).toMatchObject({ kind: 'pixels', pixels: { height: 32, width: 32, channels: 3 } });
  const data = images.map((image) => (image.kind === 'pixels' ? image.pixels.data : new Uint8Array()));
  expect([...data[1]!.subarray(0, 6)]).toEqual([4, 5, 6, 4, 5, 6]);
  expect(data[2]![3 * 5 + 2]).toBe(noise(PIXELS)[2 * 1024 + 5]);
});

it('reads batch 10 after batch 9', async () => {
  const batches = Array.from({ length: 10 }, (_, index) => record([0], [index, 0, 0]));
  const { train } = await openCifar({ files, path: await cifar10(...batches) });
  const first = (await allOf(train)).map((image) => (image.kind === 'pixels' ? image.pixels.data[0] : -1));
  expect(first).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it('stops at a limit', async () => {
  const batch = Buffer.concat([record([0], [1, 1, 1]), record([1], [2, 2, 2])]);
  const { train } = await openCifar({ files, path: await cifar10(batch, batch), limit: { train: 3 } });
  expect(train.count).toBe(3);
  expect(await allOf(train)).toHaveLength(3);
});

it.each([
  [undefined, 17, ['apple']],
  ['fine', 17, ['apple']],
  ['coarse', 1, ['fish', 'fruit']],
] as const)('takes the %s labels of CIFAR-100', async (labels, label, names) => {
  const path = await testFolder();
  await put(join(path, 'train.bin'), record([1, 17], [0, 0, 0]));
  const fine = Array.from({ length: 18 }, (_, index) => `fine ${index}`);
  await put(join(path, 'fine_label_names.txt'), fine.join('\n'));
  await put(join(path, 'coarse_label_names.txt'), 'fish\nfruit\n');
  const { classes, train, test } = await openCifar({ files, path, labels });
  expect(classes).toEqual(names.length === 1 ? fine : names);
  expect((await allOf(train))[0]!.label).toBe(label);
  expect(test).toBeNull();
});

it('numbers the classes where their names are not there', async () => {
  const path = await testFolder();
  await put(join(path, 'train.bin'), record([1, 17], [0, 0, 0]));
  expect((await openCifar({ files, path })).classes).toBe('numbered');
});

it('refuses a file that is cut off, before an image is read, by both numbers', async () => {
  const path = await cifar10(
    Buffer.concat([record([1], [1, 2, 3]), record([0], [4, 5, 6]).subarray(0, 100)]),
  );
  await expect(openCifar({ files, path })).rejects.toMatchObject({
    code: 'invalid-data',
    detail: expect.stringMatching(
      /data_batch_1\.bin has 3173 bytes.*3073.*100 bytes are left after 1 images/,
    ),
  });
});

it('refuses a folder of the Python version, and says why', async () => {
  const path = await testFolder();
  await put(join(path, 'data_batch_1'), 'pickle');
  await expect(openCifar({ files, path })).rejects.toThrow(/neither data_batch_1\.bin.*pickle/);
});

it('refuses coarse labels of CIFAR-10, and labels without a name', async () => {
  const path = await cifar10(record([2], [0, 0, 0]));
  await expect(openCifar({ files, path, labels: 'coarse' })).rejects.toThrow('has no coarse labels');
  const { train } = await openCifar({ files, path });
  await expect(allOf(train)).rejects.toThrow(/data_batch_1\.bin#0 the label 2.*names for 2 classes/);
});
