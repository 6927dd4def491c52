/** First values of weights, as PyTorch's modules set them. */
import type { HostTensor, HostTensors } from '@rela/engine';
import type { Random } from '@rela/random';

const elements = (shape: number[]) => shape.reduce((product, side) => product * side, 1);

/** float32 of `shape`, every element `value`. */
export function filled(shape: number[], value: number): HostTensor {
  const data = new Float32Array(elements(shape));
  // Zeros are there already, in pages that take no memory until they are written: moments are twice a network.
  return { dtype: 'float32', shape, data: value === 0 ? data : data.fill(value) };
}

/** float32 of shape [], for the inputs that change from step to step. */
export function scalar(value: number): HostTensor {
  return filled([], value);
}

/**
 * Weights of a convolution [kernel, kernel, inputs, outputs]: normal with variance 2 / (kernel² · outputs).
 * He et al. 2015, section 2.2, "fan out", as torchvision's ResNet does.
 */
export function kaimingNormal(kernel: number, inputs: number, outputs: number, random: Random): HostTensor {
  return normal([kernel, kernel, inputs, outputs], Math.sqrt(2 / (kernel * kernel * outputs)), random);
}

/** float32 of `shape`, normal with that standard deviation. */
export function normal(shape: number[], deviation: number, random: Random): HostTensor {
  const tensor = filled(shape, 0);
  for (let index = 0; index < tensor.data.length; index++) tensor.data[index] = deviation * random.normal();
  return tensor;
}

/** A linear layer as torch.nn.Linear starts: weight [inputs, outputs] and bias [outputs] uniform over ±1/√inputs. */
export function linear(
  inputs: number,
  outputs: number,
  random: Random,
  options = { bias: true },
): HostTensors {
  const bound = 1 / Math.sqrt(inputs);
  const uniform = (shape: number[], key: string) => {
    const tensor = filled(shape, 0);
    const stream = random.fork(key);
    for (let index = 0; index < tensor.data.length; index++)
      tensor.data[index] = bound * (2 * stream.next() - 1);
    return tensor;
  };
  const weight = uniform([inputs, outputs], 'weight');
  return options.bias ? { weight, bias: uniform([outputs], 'bias') } : { weight };
}

/** Scale and shift of a batch norm over `width` channels: 1 and 0. */
export function batchNorm(width: number): HostTensors {
  return { weight: filled([width], 1), bias: filled([width], 0) };
}

/** The same with running statistics: mean 0 and variance 1. */
export function normedChannels(width: number): HostTensors {
  return { ...batchNorm(width), running_mean: filled([width], 0), running_var: filled([width], 1) };
}
