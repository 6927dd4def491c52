/** Conversion of TF.js models in a process of its own: what comes out, and what ends it without ending the service. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProblemError } from '@rela/contracts';
import { inspectPrior } from '@rela/prior';
import type { Limits } from '@rela/process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { byteNetwork, filesIn, saveModel, smallNetwork } from '../testing/tfjs-model.js';
import { type Conversion, convertModel } from './convert-model.js';

let folder: string;
let conversion: Conversion;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-tfjs-'));
  await saveModel(smallNetwork(12), join(folder, 'small'));
  conversion = { files: await filesIn(join(folder, 'small')), maxBytes: 2 ** 20 };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const refusal = (given: Conversion, limits?: Partial<Limits>): Promise<ProblemError> =>
  convertModel(given, limits).then(
    () => expect.unreachable('it was converted'),
    (error: ProblemError) => error,
  );

it('a converted model is a prior, its output any of its outputs or layers', async () => {
  const features = await inspectPrior(await convertModel({ ...conversion, output: 'features' }), {});
  expect(features).toMatchObject({ input: 'images', output: 'features', width: 8, batch: null, pool: false });
  expect(features.preprocessing).toMatchObject({ height: 12, width: 12, channels: 3, layout: 'nhwc' });
  const maps = await inspectPrior(await convertModel({ ...conversion, output: 'maps' }), {});
  expect(maps).toMatchObject({ output: 'maps', width: 8, pool: true });
  await expect(inspectPrior(await convertModel(conversion), {})).rejects.toThrow(
    /2 outputs: "features" .*"classes"/,
  );
  const unknown = await refusal({ ...conversion, output: 'pooled' });
  expect(unknown).toMatchObject({ code: 'invalid-model', errors: [{ field: 'output' }] });
});

it('a model for images of any size asks for the size by field, and takes it', async () => {
  await saveModel(smallNetwork(null), join(folder, 'free'));
  const free: Conversion = {
    files: await filesIn(join(folder, 'free')),
    maxBytes: 2 ** 20,
    output: 'features',
  };
  const { errors } = await refusal({ ...free, preprocessing: { height: 9 } });
  expect(errors?.map(({ field }) => field)).toEqual(['preprocessing.width']);
  const sized = await inspectPrior(
    await convertModel({ ...free, preprocessing: { height: 9, width: 7 } }),
    {},
  );
  expect(sized.preprocessing).toMatchObject({ height: 9, width: 7, channels: 3 });
});

it('a model that takes whole numbers is fed bytes', async () => {
  await saveModel(byteNetwork(), join(folder, 'bytes'));
  const files = await filesIn(join(folder, 'bytes'));
  const { preprocessing } = await inspectPrior(await convertModel({ files, maxBytes: 2 ** 20 }), {});
  expect(preprocessing).toMatchObject({ dtype: 'float32', scale: 'byte', mean: [0, 0, 0], std: [1, 1, 1] });
});

it('a conversion that takes too long or reads too much is refused, and the next one runs', async () => {
  expect(await refusal(conversion, { milliseconds: 1 })).toMatchObject({
    code: 'invalid-model',
    detail: expect.stringContaining('longer than 0.001 seconds'),
  });
  expect(await refusal({ ...conversion, maxBytes: 1000 })).toMatchObject({
    code: 'invalid-model',
    detail: expect.stringContaining('more than 1000 bytes together'),
  });
  expect((await convertModel(conversion)).length).toBeGreaterThan(0);
});

/** The small model with other text for its model.json. */
async function withTopology(name: string, edit: (json: string) => string): Promise<Conversion> {
  const path = join(folder, `${name}.json`);
  await writeFile(path, edit(await readFile(join(folder, 'small', 'model.json'), 'utf8')));
  const files = conversion.files.map(([file, given]): [string, string] => [
    file,
    file === 'model.json' ? path : given,
  ]);
  return { ...conversion, files, maxBytes: 2 ** 30 };
}

it('a model that asks for a huge layer is refused by the limit of memory', async () => {
  const huge = await withTopology('huge', (json) => json.replace('"units":6', '"units":200000000'));
  expect(await refusal(huge, { memoryBytes: 2 ** 31 })).toMatchObject({
    code: 'invalid-model',
    detail: expect.stringContaining('needs more than the 2048 MiB of memory'),
  });
});

it('a model that exhausts the heap ends its process only', async () => {
  const many = await withTopology('many', () => `{"modelTopology":{"node":[${'{},'.repeat(5_000_000)}{}]}}`);
  expect(await refusal(many, { memoryBytes: 2 ** 28 })).toMatchObject({
    code: 'invalid-model',
    detail: expect.stringMatching(/ended by .* 256 MiB of memory/),
  });
});

it('a weight file that cannot be read is named', async () => {
  const files = conversion.files.map(([name, file]): [string, string] => [
    name,
    name === 'group1-shard1of5.bin' ? '/dev/zero' : file,
  ]);
  expect(await refusal({ ...conversion, files })).toMatchObject({
    detail: expect.stringContaining('group1-shard1of5.bin is not a file'),
  });
});
