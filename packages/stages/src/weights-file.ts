/** Weight files: the backbone of a run as named tensors, and whether it fits the backbone that is to start from it. */
import { type BackboneSpec, ProblemError } from '@rela/contracts';
import type { HostTensors } from '@rela/engine';
import { type Backbone, createBackbone, firstDifference } from '@rela/learning';
import type { ArtifactStore } from '@rela/storage';
import { decodeTensors, encodeTensors, readTensorSpecs } from './tensor-file.js';

export async function writeWeights(
  store: ArtifactStore,
  weights: HostTensors,
  spec: BackboneSpec,
): Promise<{ digest: string; bytes: number }> {
  async function* pieces() {
    yield* encodeTensors(weights, { backbone: JSON.stringify(spec) });
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
  return firstDifference(createBackbone(spec, image), await readTensorSpecs(await store.localPath(digest)));
}

/** @throws ProblemError `invalid-data` naming the first tensor that is not as in this backbone */
export async function readWeights(
  store: ArtifactStore,
  digest: string,
  backbone: Backbone,
): Promise<HostTensors> {
  const { tensors } = decodeTensors(await store.read(digest));
  const difference = firstDifference(backbone, tensors);
  if (difference)
    throw new ProblemError(
      'invalid-data',
      `The weights ${digest} do not fit: ${difference}. Take weights of the same backbone for images of as many channels.`,
    );
  const broken = Object.keys(tensors).find(
    (key) => !(tensors[key]!.data as Float32Array).every(Number.isFinite),
  );
  if (broken)
    throw new ProblemError(
      'invalid-data',
      `The weights ${digest} cannot be started from: "${broken}" has values that are not finite.`,
    );
  return tensors;
}
