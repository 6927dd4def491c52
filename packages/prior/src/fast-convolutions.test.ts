import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PriorModel } from '@rela/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEmbedder } from './embedder.js';
import { openRewritten } from './fast-convolutions.js';
import type { DecodedImage } from './image.js';
import { inspectPrior } from './inspect.js';
import { parseModel } from './onnx/model.js';
import { plainConvolutions } from './onnx/winograd.js';
import { type ConvolutionalNetOptions, convolutionalNet } from './testing/convolutional-net.js';
import { buildModel, type ModelSpec } from './testing/model-builder.js';
import { seeded } from './testing/models.js';

const digest = `sha256:${'0'.repeat(64)}`;
const IMAGES = 5;
let folder: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-fast-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function stored(spec: ModelSpec): Promise<{ path: string; prior: PriorModel }> {
  const bytes = buildModel(spec);
  const { model, ...inspected } = await inspectPrior(bytes, { preprocessing: { height: 14, width: 28 } });
  const path = join(folder, `${count++}.onnx`);
  await writeFile(path, model ?? bytes);
  return { path, prior: { ...inspected, digest, model: digest } };
}

function images(): DecodedImage[] {
  const random = seeded(7);
  return Array.from({ length: IMAGES }, () => ({
    data: Uint8Array.from({ length: 14 * 28 * 3 }, () => (random() + 1) * 127.5),
    height: 14,
    width: 28,
    channels: 3,
  }));
}

async function embeddings(path: string, prior: PriorModel, precision: 'fast' | 'strict'): Promise<number[]> {
  const embedder = await openEmbedder(path, prior, { threads: 1, batch: 3, precision });
  const rows: number[] = [];
  try {
    for await (const part of embedder.embed(images())) rows.push(...part);
  } finally {
    await embedder.dispose();
  }
  return rows;
}

/** Whether the prior is rewritten at all. */
async function isRewritten(path: string, prior: PriorModel): Promise<boolean> {
  const session = await openRewritten(path, prior, 1);
  await session?.close();
  return session !== null;
}

const farthest = (left: number[], right: number[]) =>
  Math.max(...left.map((value, index) => Math.abs(value - right[index]!)));

describe('a prior whose convolutions are rewritten embeds as the prior itself does', () => {
  const cases: Record<string, ConvolutionalNetOptions> = {
    'with residuals, batch norm and maps of 7×14': {},
    'with bottlenecks': { bottleneck: true },
    'with a fixed batch': { batch: 2 },
    'padded by SAME_UPPER': { padding: 'SAME_UPPER' },
    'padded by SAME_LOWER': { padding: 'SAME_LOWER' },
    'with maps whose sides the model does not state': { sides: 'unknown' },
    'of an old operator set and IR version, whose initializers are inputs': { opset: 9, irVersion: 3 },
    'without biases': { bias: false },
  };
  for (const [name, options] of Object.entries(cases))
    it(name, async () => {
      const { path, prior } = await stored(convolutionalNet(options));
      expect(await isRewritten(path, prior)).toBe(true);
      const strict = await embeddings(path, prior, 'strict');
      const fast = await embeddings(path, prior, 'fast');
      expect(fast).toHaveLength(IMAGES * prior.width);
      expect(farthest(fast, strict)).toBeLessThan(1e-5 * Math.max(...strict.map(Math.abs)));
      // Not the same bits: other kernels were at work.
      expect(fast).not.toEqual(strict);
    });
});

describe('a prior is opened as it is', () => {
  it('where it is to be strict, with the same bits as ever', async () => {
    const { path, prior } = await stored(convolutionalNet());
    expect(await embeddings(path, prior, 'strict')).toEqual(await embeddings(path, prior, 'strict'));
  });

  it('where its maps are smaller than a tile', async () => {
    const { path, prior } = await stored(convolutionalNet({ stride: 5 }));
    expect(await isRewritten(path, prior)).toBe(false);
  });
});

describe('a convolution is left as it is', () => {
  const of = (options: ConvolutionalNetOptions) =>
    plainConvolutions(parseModel(buildModel(convolutionalNet(options)))).length;

  it('where it has stride, dilation, groups, no padding or fewer than 128 channels', () => {
    expect(of({})).toBe(2);
    expect(of({ attributes: { strides: [2, 2] } })).toBe(0);
    expect(of({ attributes: { dilations: [2, 2] } })).toBe(0);
    expect(of({ attributes: { group: 2 } })).toBe(0);
    expect(of({ attributes: { pads: [0, 0, 0, 0] } })).toBe(0);
    expect(of({ padding: 'VALID' })).toBe(0);
    expect(of({ channels: 64 })).toBe(0);
  });

  it('where its filter may be given anew with every run', () => {
    expect(of({ irVersion: 8, filtersAreInputs: true })).toBe(0);
  });
});
