// Is a training step of ResNet-18 on small images as fast as PyTorch's? Forward, backward and AdamW on two threads.
import { stepAgainstTorch } from '../against-peer.mjs';
import { RESNET18 } from '../work.mjs';

export async function measure(say) {
  return [
    await stepAgainstTorch('batch 32', { ...RESNET18, batch: 32 }, { pairs: 15, say }),
    await stepAgainstTorch('batch 128', { ...RESNET18, batch: 128 }, { pairs: 5, say }),
  ];
}
