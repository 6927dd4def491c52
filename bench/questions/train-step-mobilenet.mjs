// The same for MobileNetV2 on images of 32 pixels: depthwise convolutions, ReLU6 and many thin 1×1 convolutions.
import { stepAgainstTorch } from '../against-peer.mjs';

const work = {
  kind: 'supervised',
  model: 'mobilenet-v2',
  size: 32,
  channels: 3,
  stem: 'modified',
  batch: 32,
};

export async function measure(say) {
  return [await stepAgainstTorch('batch 32', work, { pairs: 15, say })];
}
