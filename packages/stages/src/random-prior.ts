/** The paper's "Rand." control: a prior that was never trained. */
import type { PriorSource } from '@rela/contracts';
import { createBackbone, exportBackbone } from '@rela/learning';
import { createRandom } from '@rela/random';

/** ImageNet's channel statistics, as method.md names them. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** A freshly initialised backbone as ONNX. */
export async function createRandomPrior(
  source: Extract<PriorSource, { kind: 'random' }>,
): Promise<Uint8Array> {
  const { imageSize: size, channels } = source;
  const backbone = createBackbone(source.backbone, { size, channels });
  const average = (values: number[]) => [values.reduce((sum, value) => sum + value, 0) / values.length];
  const mean = channels === 3 ? IMAGENET.mean : average(IMAGENET.mean);
  const std = channels === 3 ? IMAGENET.std : average(IMAGENET.std);
  return exportBackbone(backbone, backbone.init(createRandom(source.seed, 'random-prior')), {
    size,
    channels,
    mean,
    std,
  });
}
