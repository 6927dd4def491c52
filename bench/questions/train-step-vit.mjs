// The same for ViT-Tiny on images of 32 pixels in patches of 4: matrix products, layer norms, attention.
import { stepAgainstTorch } from '../against-peer.mjs';

const work = { kind: 'supervised', model: 'vit-tiny', size: 32, channels: 3, stem: 'modified', batch: 32 };

export async function measure(say) {
  return [await stepAgainstTorch('batch 32', work, { pairs: 15, say })];
}
