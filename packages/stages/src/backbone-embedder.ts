/** A trained backbone as the embedder reads it: an evaluation sees what a user who downloads the model sees. */
import type { DatasetManifest, PriorModel, Training } from '@rela/contracts';
import type { Precision } from '@rela/engine';
import { createBackbone } from '@rela/learning';
import { type Embedder, openEmbedder } from '@rela/prior';
import { viewSize } from './plan-widths.js';

export interface BackboneModel {
  training: Training;
  /** Of the data set that it was trained on: its preprocessing goes with it, whatever images it sees. */
  manifest: DatasetManifest;
  /** Digest of the backbone as ONNX. */
  model: string;
}

function asPrior({ training, manifest, model }: BackboneModel): PriorModel {
  const size = viewSize(training, manifest) ?? 0;
  const { channels, mean, std } = manifest;
  return {
    digest: model,
    model,
    input: 'images',
    output: 'features',
    pool: false,
    batch: null,
    width: createBackbone(training.backbone, { size, channels }).width,
    preprocessing: {
      height: size,
      width: size,
      channels,
      layout: 'nchw',
      dtype: 'float32',
      scale: 'unit',
      mean,
      std,
    },
  };
}

/** @param path the ONNX file */
export function openBackbone(
  path: string,
  model: BackboneModel,
  { threads, precision = 'fast' }: { threads: number; precision?: Precision },
): Promise<Embedder> {
  return openEmbedder(path, asPrior(model), { threads, precision });
}
