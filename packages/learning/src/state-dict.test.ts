import type { BackboneSpec } from '@rela/contracts';
import type { HostTensors } from '@rela/engine';
import { createRandom } from '@rela/random';
import { expect, it } from 'vitest';
import { createBackbone } from './backbones/backbone.js';
import { fromStateDict, toStateDict } from './state-dict.js';

const image = { size: 32, channels: 3 };
const spec = (name: BackboneSpec['name']): BackboneSpec => ({ name, stem: 'auto' });
const bytes = (weights: HostTensors) =>
  Object.entries(weights)
    .map(
      ([name, { shape, data }]) =>
        [name, shape, Buffer.from(data.buffer, data.byteOffset, data.byteLength)] as const,
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
/** Compared as bytes: millions of numbers one by one take their time. */
function expectSame(actual: HostTensors, expected: HostTensors): void {
  const [a, b] = [bytes(actual), bytes(expected)];
  expect(a.map(([name, shape]) => [name, shape])).toEqual(b.map(([name, shape]) => [name, shape]));
  for (const [index, [name, , data]] of a.entries())
    expect([name, data.equals(b[index]![2])]).toEqual([name, true]);
}
const made = (name: BackboneSpec['name'], seed = 1) => {
  const backbone = createBackbone(spec(name), image);
  return { backbone, weights: backbone.init(createRandom(seed)) };
};

it.each(['resnet18-narrow', 'mobilenet-v2', 'vit-tiny', 'vit-small'] as const)(
  'gives back the weights of %s',
  (name) => {
    const { backbone, weights } = made(name);
    expectSame(fromStateDict(backbone, toStateDict(weights)), weights);
  },
);

it('has the names and shapes of torchvision and timm', () => {
  const resnet = toStateDict(made('resnet18-narrow').weights);
  expect(resnet['layer2.0.downsample.0.weight']!.shape).toEqual([32, 16, 1, 1]);
  expect(resnet['conv1.weight']!.shape).toEqual([16, 3, 3, 3]);
  expect(resnet['bn1.running_var']!.shape).toEqual([16]);
  const mobilenet = toStateDict(made('mobilenet-v2').weights);
  expect(mobilenet['features.1.conv.0.0.weight']!.shape).toEqual([32, 1, 3, 3]);
  const vit = toStateDict(made('vit-tiny').weights);
  expect(vit['blocks.0.attn.qkv.weight']!.shape).toEqual([576, 192]);
  expect(vit['blocks.0.attn.qkv.bias']!.shape).toEqual([576]);
  expect(vit['patch_embed.proj.weight']!.shape).toEqual([192, 3, 4, 4]);
  expect(Object.keys(vit)).not.toContain('blocks.0.attn.q_bias');
});

it('puts every number where PyTorch has it', () => {
  const { weights } = made('resnet18-narrow');
  const ours = weights['layer1.0.conv1.weight']!;
  const theirs = toStateDict(weights)['layer1.0.conv1.weight']!;
  const [height, width, inputs, outputs] = [2, 1, 5, 9];
  expect(theirs.data[((outputs * 16 + inputs) * 3 + height) * 3 + width]).toBe(
    ours.data[((height * 3 + width) * 16 + inputs) * 16 + outputs],
  );
});

it('leaves heads and counters out', () => {
  const { backbone, weights } = made('resnet18-narrow');
  const counter = { dtype: 'int32' as const, shape: [], data: new Int32Array([7]) };
  const head = { dtype: 'float32' as const, shape: [10, 128], data: new Float32Array(1280) };
  const published = { ...toStateDict(weights), 'bn1.num_batches_tracked': counter, 'fc.weight': head };
  expectSame(fromStateDict(backbone, published), weights);
});

it('refuses what belongs to another architecture, naming the tensor and both shapes', () => {
  const { weights } = made('resnet18-narrow');
  const wide = createBackbone(spec('resnet18'), image);
  expect(() => fromStateDict(wide, toStateDict(weights))).toThrow(
    'do not fit the backbone: tensor "conv1.weight" is float32 [16, 3, 3, 3]; in resnet18 it is float32 [64, 3, 3, 3]',
  );
});
