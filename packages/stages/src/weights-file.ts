/**
 * Weight files: the backbone of a run as safetensors, a state dict under torchvision's or timm's names. What a training writes, what
 * users download and load in PyTorch, and what a run starts from, whoever wrote it.
 */
import { type BackboneSpec, ProblemError } from '@rela/contracts';
import type { HostTensors } from '@rela/engine';
import { type Backbone, createBackbone, firstDifference, fromStateDict, toStateDict } from '@rela/learning';
import type { ArtifactStore } from '@rela/storage';
import { decodeTensors, encodeTensors, readTensorHeader } from './tensor-file.js';

/** What `safetensors.torch.save_file` writes into the metadata, and some readers ask for. */
const FORMAT = 'pt';

export async function writeWeights(
  store: ArtifactStore,
  weights: HostTensors,
  spec: BackboneSpec,
): Promise<{ digest: string; bytes: number }> {
  async function* pieces() {
    yield* encodeTensors(toStateDict(weights), { format: FORMAT, backbone: JSON.stringify(spec) });
  }
  return store.write(pieces());
}

/**
 * What the first tensor is in which the file is not of this backbone; reads its header alone. Null where it fits.
 * @throws ProblemError `not-found`; `invalid-data` where it is no such file
 */
export async function differenceOfWeights(
  store: ArtifactStore,
  digest: string,
  { spec, image }: { spec: BackboneSpec; image: { size: number; channels: number } },
): Promise<string | null> {
  const { specs, metadata } = await readTensorHeader(await store.localPath(digest));
  if (metadata.backbone !== undefined && metadata.format !== FORMAT)
    throw new ProblemError(
      'invalid-data',
      'The weights are of an earlier version, which had them in a layout of its own. Submit their run again.',
    );
  return firstDifference(createBackbone(spec, image), specs);
}

/** @throws ProblemError `invalid-data` naming the first tensor that is not as in this backbone */
export async function readWeights(
  store: ArtifactStore,
  digest: string,
  backbone: Backbone,
): Promise<HostTensors> {
  const weights = fromStateDict(backbone, decodeTensors(await store.read(digest)).tensors);
  const broken = Object.keys(weights).find(
    (key) => !(weights[key]!.data as Float32Array).every(Number.isFinite),
  );
  if (broken)
    throw new ProblemError(
      'invalid-data',
      `The weights ${digest} cannot be started from: "${broken}" has values that are not finite.`,
    );
  return weights;
}
