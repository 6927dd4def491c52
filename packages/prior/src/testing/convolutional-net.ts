/** A network whose convolutions have channels enough to be rewritten, in the forms that exporters write. */
import type { ModelNode, ModelSpec, ModelTensor } from './model-builder.js';
import { seeded } from './models.js';

export interface ConvolutionalNetOptions {
  channels?: number;
  /** 1 × 1 convolutions around a 3 × 3 one, in place of two 3 × 3 ones. */
  bottleneck?: boolean;
  batch?: number;
  padding?: 'SAME_UPPER' | 'SAME_LOWER' | 'VALID';
  /** Whether the shapes of inner values can be told from the model. */
  sides?: 'known' | 'unknown';
  bias?: boolean;
  opset?: number;
  irVersion?: number;
  /** Filters listed among the inputs, where a caller can override them. */
  filtersAreInputs?: boolean;
  /** Of the first convolution: images of 14×28 become maps of that part. */
  stride?: number;
  /** Of the 3 × 3 convolutions, over the usual ones. */
  attributes?: Record<string, number | number[]>;
}

/**
 * Images [14, 28]: a convolution of stride 2 and ReLU, a block with batch norm and a residual, ReLU, a mean over the map. Filters are
 * scaled as a network that is initialised for training has them.
 */
export function convolutionalNet(options: ConvolutionalNetOptions = {}): ModelSpec {
  const { channels = 128, bottleneck = false, batch = 'N', sides = 'known', stride = 2 } = options;
  const { opset = 17, irVersion = 8, bias = true } = options;
  const tensors: ModelTensor[] = [];
  const nodes: ModelNode[] = [];
  let seed = 1;
  const weights = (name: string, dims: number[], scale: number, offset = 0) => {
    const random = seeded(seed++);
    const length = dims.reduce((a, b) => a * b, 1);
    tensors.push({ name, dims, data: Float32Array.from({ length }, () => random() * scale + offset) });
    return name;
  };
  const add = (op: string, inputs: string[], output: string, attributes: ModelNode['attributes'] = {}) => {
    nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  };
  const convolve = (from: string, name: string, kernel: number, read = channels) => {
    const filter = weights(
      `${name}.weight`,
      [channels, read, kernel, kernel],
      Math.sqrt(6 / (read * kernel ** 2)),
    );
    const plain: ModelNode['attributes'] = options.padding
      ? { auto_pad: { text: options.padding } }
      : { pads: new Array<number>(4).fill((kernel - 1) / 2) };
    return add('Conv', [from, filter, ...(bias ? [weights(`${name}.bias`, [channels], 0.1)] : [])], name, {
      kernel_shape: [kernel, kernel],
      ...plain,
      ...(kernel === 3 && read === channels ? options.attributes : {}),
    });
  };
  const normalise = (from: string, name: string) =>
    add(
      'BatchNormalization',
      [
        from,
        weights(`${name}.scale`, [channels], 0.5, 1),
        weights(`${name}.shift`, [channels], 0.5),
        weights(`${name}.mean`, [channels], 0.5),
        weights(`${name}.variance`, [channels], 0.4, 1),
      ],
      name,
    );

  const stem = weights('stem.weight', [channels, 3, 3, 3], 0.5);
  let map = add('Conv', ['images', stem], 'stem', {
    kernel_shape: [3, 3],
    pads: [1, 1, 1, 1],
    strides: [stride, stride],
  });
  map = add('Relu', [map], 'rectified');
  if (sides === 'unknown') {
    // The shape is a constant and a zero that only a run can tell: no inference can follow it.
    const mean = add('ReduceMean', ['images'], 'mean', { keepdims: 0 });
    const zero = add('Sub', [add('Clip', [mean], 'clipped'), mean], 'zero');
    tensors.push({ name: 'shapeAsFloats', dims: [4], data: Float32Array.of(-1, channels, 7, 14) });
    const shape = add('Cast', [add('Add', ['shapeAsFloats', zero], 'shapeOfRun')], 'shape', { to: 7 });
    map = add('Reshape', [map, shape], 'reshaped');
  }
  const first = bottleneck ? convolve(map, 'reduced', 1) : convolve(map, 'first', 3);
  const second = convolve(add('Relu', [normalise(first, 'norm1')], 'relu1'), 'second', 3);
  const third = bottleneck ? convolve(second, 'expanded', 1) : second;
  const summed = add('Add', [normalise(third, 'norm2'), map], 'summed');
  const pooled = add('GlobalAveragePool', [add('Relu', [summed], 'relu2')], 'pooled');
  add('Flatten', [pooled], 'features');

  const size = sides === 'known' ? [14, 28] : ['height', 'width'];
  const inputs: ModelSpec['inputs'] = [{ name: 'images', shape: [batch, 3, ...size] }];
  const listsTensors = irVersion < 4 || options.filtersAreInputs;
  return {
    opset,
    irVersion,
    inputs: listsTensors ? [...inputs, ...tensors.map(({ name, dims }) => ({ name, shape: dims }))] : inputs,
    outputs: [{ name: 'features', shape: [batch, channels] }],
    nodes,
    tensors,
  };
}
