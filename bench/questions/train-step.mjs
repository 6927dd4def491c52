// Is a training step of ResNet-18 on small images as fast as PyTorch's? Forward, backward and AdamW on two threads.
import { stepAgainstTorch } from '../against-peer.mjs';

const work = { kind: 'supervised', model: 'resnet18', size: 32, channels: 3, stem: 'modified' };

export async function measure(say) {
  return [
    await stepAgainstTorch('batch 32', { ...work, batch: 32 }, { pairs: 15, say }),
    await stepAgainstTorch('batch 128', { ...work, batch: 128 }, { pairs: 5, say }),
  ];
}
