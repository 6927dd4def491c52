// The gradients of a convolution that TF.js's WASM backend lacks, or has at a tenth of its convolution's rate, written with the ops
// that it is good at. Without them it could not train at all, or would take about three times as long: this is the peer at its best.
import { tf } from '@rela/engine';

/** Where a filter's window starts and ends in rows and columns; TF.js hands over numbers, 'same' or 'valid', or [before, after] pairs. */
function paddingOf({ inputShape, filterShape, strides, pad, dilations = 1 }) {
  return tf.backend_util.computeConv2DInfo(inputShape, filterShape, strides, dilations, pad, undefined, false)
    .padInfo;
}

/** Zeros between the rows and columns of dy [N, h, w, C]: [N, stride·h, stride·w, C]. */
function spread(dy, stride) {
  if (stride === 1) return dy;
  const [images, height, width, channels] = dy.shape;
  const columns = tf.concat([dy, tf.zeros([images, height, width, (stride - 1) * channels])], 3);
  const row = stride * width * channels;
  const rows = tf.reshape(columns, [images, height, row]);
  const zeros = tf.zeros([images, height, (stride - 1) * row]);
  return tf.reshape(tf.concat([rows, zeros], 2), [images, stride * height, stride * width, channels]);
}

/** dx: the convolution of dy, spread by the stride, with the filter turned by half a turn. */
function inputGradient({ inputs: { dy, filter }, attrs: { inputShape, strides, pad } }) {
  return tf.tidy(() => {
    const [stride] = [strides].flat();
    const [kernel] = filter.shape;
    const { top, left } = paddingOf({ inputShape, filterShape: filter.shape, strides, pad });
    const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
    const around = (before, side, from) => [kernel - 1 - before, side + before - stride * from];
    const padding = [
      [0, 0],
      around(top, inputShape[1], dy.shape[1]),
      around(left, inputShape[2], dy.shape[2]),
      [0, 0],
    ];
    return tf.conv2d(spread(dy, stride), turned, 1, padding);
  });
}

/** dw: the convolution of xᵀ [C_in, H, W, N] with dyᵀ [h, w, N, C_out], whose taps lie a stride apart. */
function filterGradient({ inputs: { x, dy }, attrs: { strides, pad, filterShape } }) {
  return tf.tidy(() => {
    const [stride] = [strides].flat();
    const { top, left } = paddingOf({ inputShape: x.shape, filterShape, strides, pad });
    const [kernel] = filterShape;
    const behind = (before, side, from) => kernel - before - side + (from - 1) * stride;
    const [bottom, right] = [behind(top, x.shape[1], dy.shape[1]), behind(left, x.shape[2], dy.shape[2])];
    const images = tf.transpose(x, [3, 1, 2, 0]);
    // Rows and columns that no window of a 1×1 filter reaches.
    const [channels, height, width, count] = images.shape;
    const read = tf.slice(
      images,
      [0, 0, 0, 0],
      [channels, height + Math.min(bottom, 0), width + Math.min(right, 0), count],
    );
    const padding = [
      [0, 0],
      [top, Math.max(bottom, 0)],
      [left, Math.max(right, 0)],
      [0, 0],
    ];
    const taps = tf.conv2d(read, tf.transpose(dy, [1, 2, 0, 3]), 1, padding, 'NHWC', stride);
    return tf.transpose(taps, [1, 2, 0, 3]);
  });
}

/** Registers both for the WASM backend, in the place of the one that it has. */
export function registerGradients() {
  const backendName = 'wasm';
  tf.unregisterKernel('Conv2DBackpropInput', backendName);
  tf.registerKernel({ kernelName: 'Conv2DBackpropInput', backendName, kernelFunc: inputGradient });
  tf.registerKernel({ kernelName: 'Conv2DBackpropFilter', backendName, kernelFunc: filterGradient });
}
