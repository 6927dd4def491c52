/** What a training leaves behind: its backbones as ONNX and as weight files, and the numbers of the run. */
import type { StageResultOf, StoredWeights } from '@rela/contracts';
import type { HostTensors } from '@rela/engine';
import { type Backbone, exportBackbone } from '@rela/learning';
import type { StageTools } from '../tools.js';
import { writeWeights } from '../weights-file.js';
import type { Progression } from './checkpoint.js';
import type { TrainOptions } from './train.js';
import { bestOf } from './validation.js';

type TrainResult = StageResultOf<'train'>;

export interface Ending {
  backbone: Backbone;
  image: { size: number; channels: number };
  progression: Progression;
  /** Backbones under their own names; `best`: null without validation. */
  last: HostTensors;
  best: HostTensors | null;
  facts: Pick<TrainResult, 'seconds' | 'switchStep' | 'engine' | 'kernels' | 'endedBy' | 'checkpoint'>;
}

export async function finish(
  { training, manifest }: Pick<TrainOptions, 'training' | 'manifest'>,
  ending: Ending,
  { store }: Pick<StageTools, 'store'>,
): Promise<TrainResult> {
  const { backbone, image, progression, facts } = ending;
  const { mean, std } = manifest;
  const storeBackbone = async (weights: HostTensors): Promise<StoredWeights> => {
    const model = await store.write(exportBackbone(backbone, weights, { ...image, mean, std }));
    const file = await writeWeights(store, weights, training.backbone);
    return {
      ...{ model: model.digest, modelBytes: model.bytes },
      ...{ weights: file.digest, weightsBytes: file.bytes },
    };
  };
  const last = await storeBackbone(ending.last);
  const point = progression.validations[bestOf(progression.validations)];
  const best = ending.best && point ? { ...(await storeBackbone(ending.best)), ...point } : null;
  const returned = best && training.return === 'best' ? 'best' : 'last';
  const { model, modelBytes, weights, weightsBytes } = best && returned === 'best' ? best : last;
  return {
    kind: 'train',
    model,
    modelBytes,
    width: backbone.width,
    weights,
    weightsBytes,
    steps: progression.step,
    flops: progression.flops,
    finalLoss: progression.finalLoss,
    waitShare: facts.seconds > 0 ? progression.waitedSeconds / facts.seconds : 0,
    ...facts,
    returned,
    ...(best ? { last, best, validations: progression.validations } : {}),
  };
}
