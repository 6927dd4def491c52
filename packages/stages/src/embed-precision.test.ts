import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PriorModel, PriorSource } from '@rela/contracts';
import { inspectPrior, openEmbedder } from '@rela/prior';
import { createRandom } from '@rela/random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRandomPrior } from './random-prior.js';

const SIDE = 32;
const IMAGES = 3;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-precision-'));
});
afterAll(() => rm(folder, { recursive: true }));

type Backbone = Extract<PriorSource, { kind: 'random' }>['backbone'];

async function embedded(backbone: Backbone) {
  const bytes = await createRandomPrior({ kind: 'random', backbone, imageSize: SIDE, channels: 3, seed: 1 });
  const { model, ...inspected } = await inspectPrior(bytes, {});
  const digest = `sha256:${'0'.repeat(64)}`;
  const prior: PriorModel = { ...inspected, digest, model: digest };
  const path = join(folder, 'prior.onnx');
  await writeFile(path, model ?? bytes);
  const random = createRandom(1, 'images');
  const data = Uint8Array.from({ length: SIDE * SIDE * 3 * IMAGES }, () => random.int(256));
  const images = Array.from({ length: IMAGES }, (_, index) => ({
    data: data.subarray(index * SIDE * SIDE * 3, (index + 1) * SIDE * SIDE * 3),
    height: SIDE,
    width: SIDE,
    channels: 3 as const,
  }));
  const rows = async (precision: 'fast' | 'strict') => {
    const embedder = await openEmbedder(path, prior, { threads: 2, batch: 2, precision });
    const values: number[] = [];
    for await (const part of embedder.embed(images)) values.push(...part);
    await embedder.dispose();
    return values;
  };
  return { fast: await rows('fast'), strict: await rows('strict') };
}

it.each([
  { name: 'resnet18', stem: 'modified' },
  { name: 'resnet50', stem: 'modified' },
] satisfies Backbone[])(
  'a fast embedding by $name is a strict one but for rounding errors',
  async (backbone) => {
    const { fast, strict } = await embedded(backbone);
    expect(fast).not.toEqual(strict);
    expect(fast).toHaveLength(strict.length);
    const largest = Math.max(...strict.map(Math.abs));
    const farthest = Math.max(...fast.map((value, index) => Math.abs(value - strict[index]!)));
    expect(farthest / largest).toBeLessThan(1e-4);
  },
);
