/** For tests: a TF.js model as a folder, as TF.js itself saves it. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tf } from '@rela/engine';

type Model = ReturnType<typeof tf.model>;

/** Shards as small as these make several of the smallest models. */
const SHARD_BYTES = 256;

export async function saveModel(model: Model, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const handler = tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
    const bytes = new Uint8Array(weightData as ArrayBuffer);
    const count = Math.ceil(bytes.length / SHARD_BYTES);
    const paths = Array.from({ length: count }, (_, at) => `group1-shard${at + 1}of${count}.bin`);
    for (const [at, path] of paths.entries())
      await writeFile(join(folder, path), bytes.subarray(at * SHARD_BYTES, (at + 1) * SHARD_BYTES));
    const weightsManifest = [{ paths, weights: weightSpecs }];
    const json = { format: 'layers-model', modelTopology, weightsManifest };
    await writeFile(join(folder, 'model.json'), JSON.stringify(json));
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  });
  await model.save(handler);
}

/** @param side null: images of any size */
export function smallNetwork(side: number | null, units = 6): Model {
  // Tracing, also of an untrained prior in this process, leaves TF.js without a backend that computes.
  void tf.setBackend('cpu');
  const images = tf.input({ shape: [side, side, 3], name: 'images' });
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const maps = tf.layers
    .conv2d({ filters: 8, kernelSize: 3, activation: 'relu', kernelInitializer: seeded(1), name: 'maps' })
    .apply(images);
  const features = tf.layers.globalAveragePooling2d({ name: 'features' }).apply(maps);
  const classes = tf.layers
    .dense({ units, activation: 'softmax', kernelInitializer: seeded(2), name: 'classes' })
    .apply(features);
  return tf.model({ inputs: images, outputs: [features, classes] as never });
}

/** Takes whole numbers from 0 to 255. */
export function byteNetwork(): Model {
  void tf.setBackend('cpu');
  const images = tf.input({ shape: [8, 8, 3], dtype: 'int32', name: 'bytes' });
  const values = tf.layers.rescaling({ scale: 1 / 255 }).apply(images);
  const maps = tf.layers.conv2d({ filters: 4, kernelSize: 3, name: 'maps' }).apply(values);
  return tf.model({ inputs: images, outputs: maps as never });
}

export const filesIn = async (folder: string): Promise<[string, string][]> =>
  (await readdir(folder)).map((name) => [name, join(folder, name)]);
