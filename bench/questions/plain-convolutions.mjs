// What does a step cost without ONNX Runtime's blocked convolutions, on a machine that has them?
import { startOurs } from '../ours.mjs';
import { inTurn } from '../pairs.mjs';
import { RESNET18 } from '../work.mjs';

const PAIRS = 10;
const work = { ...RESNET18, batch: 32 };

export async function measure(say) {
  const plain = await startOurs(work, { blocked: false });
  const blocked = await startOurs(work);
  try {
    const timing = await inTurn(plain.step, blocked.step, { pairs: PAIRS, say });
    return [{ name: 'ResNet-18, batch 32', unit: 's', ...timing }];
  } finally {
    for (const side of [plain, blocked]) await side.stop();
  }
}
