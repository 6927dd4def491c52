// Is a BYOL step of the demo's network as fast as PyTorch's? Both views, two networks, AdamW and the moving average.
import { stepAgainstTorch } from '../against-peer.mjs';

const work = { kind: 'byol', model: 'resnet18-narrow', size: 28, channels: 1, stem: 'modified', batch: 128 };

export async function measure(say) {
  return [await stepAgainstTorch('batch 128', work, { pairs: 25, say })];
}
