/** Weights between this service and PyTorch, both ways: `load_state_dict` takes what is exported, and what PyTorch saves is taken. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BackboneSpec } from '@rela/contracts';
import type { HostTensors } from '@rela/engine';
import { type Backbone, createBackbone, exportBackbone, fromStateDict, toStateDict } from '@rela/learning';
import { createRandom } from '@rela/random';
import { decodeTensors, encodeTensors } from '@rela/stages';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findTorch, runPython } from '../torch/torch.js';

const SCRIPT = fileURLToPath(new URL('./state_dict.py', import.meta.url));
const IMAGES = 4;
const works = [
  { model: 'resnet18', stem: 'modified', size: 32, channels: 3 },
  { model: 'resnet18', stem: 'standard', size: 64, channels: 3 },
  { model: 'resnet50', stem: 'standard', size: 64, channels: 1 },
  { model: 'mobilenet-v2', stem: 'standard', size: 64, channels: 3 },
  { model: 'vit-tiny', stem: 'modified', size: 32, channels: 3 },
  { model: 'vit-small', stem: 'standard', size: 64, channels: 3 },
] as const;

const python = await findTorch();
const name = python ? '' : ' (no Python with PyTorch here)';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-weights-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Statistics and biases that differ from channel to channel, so that a mistake in them shows. */
function lived(weights: HostTensors): HostTensors {
  const random = createRandom(2);
  const changed = Object.entries(weights).map(([key, tensor]) => {
    if (!/running_|bias$/.test(key)) return [key, tensor];
    const draw = key.endsWith('running_var') ? () => 0.5 + random.next() : () => 0.1 * random.normal();
    const data = Float32Array.from(tensor.data, draw);
    return [key, { ...tensor, data }];
  });
  return Object.fromEntries(changed);
}

/** Features [N, d] by the exported ONNX file. */
async function features(
  backbone: Backbone,
  weights: HostTensors,
  images: Float32Array,
  { size, channels }: { size: number; channels: number },
): Promise<Float32Array> {
  const mean = new Array(channels).fill(0);
  const std = new Array(channels).fill(1);
  const session = await InferenceSession.create(
    exportBackbone(backbone, weights, { size, channels, mean, std }),
  );
  const { features } = await session.run({
    images: new Tensor('float32', images, [IMAGES, channels, size, size]),
  });
  await session.release();
  return features!.data as Float32Array;
}

const floats = async (file: string) => new Float32Array((await readFile(join(folder, file))).buffer);

function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  expect(scale).toBeGreaterThan(0);
  const worst = Math.max(...actual.map((value, at) => Math.abs(value - expected[at]!)));
  expect(worst / scale).toBeLessThan(1e-4);
}

it.skipIf(!python).each(works)(
  `gives PyTorch the weights of $model, $stem stem, and takes its own${name}`,
  async (work) => {
    const { model, stem, size, channels } = work;
    const spec: BackboneSpec = { name: model, stem };
    const backbone = createBackbone(spec, { size, channels });
    const weights = lived(backbone.init(createRandom(1)));
    const random = createRandom(3);
    const images = Float32Array.from({ length: IMAGES * channels * size * size }, () => random.normal());
    await writeFile(join(folder, 'work.json'), JSON.stringify(work));
    await writeFile(join(folder, 'images.bin'), images);
    await writeFile(
      join(folder, 'ours.safetensors'),
      Buffer.concat([...encodeTensors(toStateDict(weights))]),
    );
    await runPython(python!, SCRIPT, [folder]);
    expectClose(await features(backbone, weights, images, work), await floats('ours.bin'));

    const { tensors } = decodeTensors(await readFile(join(folder, 'theirs.safetensors')));
    expectClose(
      await features(backbone, fromStateDict(backbone, tensors), images, work),
      await floats('theirs.bin'),
    );
  },
);
