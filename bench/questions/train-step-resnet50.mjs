// The same for ResNet-50 with its standard stem on images of 64 pixels: 1×1 convolutions and a large number of batch norms.
import { stepAgainstTorch } from '../against-peer.mjs';

const work = { kind: 'supervised', model: 'resnet50', size: 64, channels: 3, stem: 'standard', batch: 16 };

export async function measure(say) {
  return [await stepAgainstTorch('batch 16', work, { pairs: 15, say })];
}
