// How much faster is a training step than TF.js without native code? The same step function, op by op on TF.js's WASM backend.
//
// The peer at its best: SIMD, and gradients of convolutions as convolutions (`tfjs/gradients.mjs`), since the backend has none of the
// filter and its own of the input is many times slower. It has one thread: in Node it cannot start more (tensorflow/tfjs, issue 3830).
// Batch 128 is not asked: a step of it does not fit the memory that WASM can have.
import { stepAgainstTfjs } from '../against-peer.mjs';
import { RESNET18 } from '../work.mjs';

const work = { ...RESNET18, batch: 32 };

export async function measure(say) {
  return [await stepAgainstTfjs('batch 32', work, { pairs: 5, warmUp: 1, say })];
}
