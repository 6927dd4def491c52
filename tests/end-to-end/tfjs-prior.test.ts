/** Trained TF.js models of both formats become priors by the command line, and embed images as TF.js does. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prior } from '@rela/contracts';
import { tf } from '@rela/engine';
import { type DecodedImage, openEmbedder } from '@rela/prior';
import { createRandom } from '@rela/random';
import { openStore } from '@rela/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fetchNsfwjs, unpackModel } from '../nsfwjs.js';
import { rela } from '../rela.js';
import { startService, type TestService } from '../service.js';

type Tensor = ReturnType<typeof tf.tensor>;
type Artifacts = Parameters<typeof tf.loadLayersModel>[0];

const SIDE = 224;
const COUNT = 2;
const GRAPH_FEATURES = `StatefulPartitionedCall/sequential/keras_layer/${'StatefulPartitionedCall/'.repeat(3)}predict/feature_vector/SpatialSqueeze`;

let folder: string;
let models: string | undefined;
let service: TestService;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-nsfwjs-'));
  models = (await fetchNsfwjs(folder))?.models;
  if (models) service = await startService();
});
afterAll(async () => {
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Smooth colours with noise, of the size that the models take. */
const images: DecodedImage[] = Array.from({ length: COUNT }, (_, index) => {
  const random = createRandom(7, 'image', index);
  const data = Uint8Array.from(
    { length: SIDE * SIDE * 3 },
    (_value, at) => (at / 997 + random.int(120)) % 256,
  );
  return { data, height: SIDE, width: SIDE, channels: 3 };
});

/** What TF.js itself loads, without anything of this project. */
async function handlerOf(modelFolder: string): Promise<Artifacts> {
  const json = JSON.parse(await readFile(join(modelFolder, 'model.json'), 'utf8'));
  const [group] = json.weightsManifest;
  const parts = await Promise.all(group.paths.map((path: string) => readFile(join(modelFolder, path))));
  const weightData = new Uint8Array(Buffer.concat(parts)).buffer;
  return {
    load: async () => ({ modelTopology: json.modelTopology, weightSpecs: group.weights, weightData }),
  };
}

/** Values in [0, 1], as nsfwjs feeds them. */
const batch = () =>
  tf.tensor(
    images.flatMap(({ data }) => [...data]).map((value) => value / 255),
    [COUNT, SIDE, SIDE, 3],
  );

const CASES = [
  {
    name: 'mobilenet_v2',
    format: 'LayersModel',
    output: 'flatten_1',
    predict: async (handler: Artifacts) => {
      const model = await tf.loadLayersModel(handler);
      const { output } = model.getLayer('flatten_1');
      return tf.model({ inputs: model.inputs, outputs: output }).predict(batch()) as Tensor;
    },
  },
  {
    name: 'mobilenet_v2_mid',
    format: 'GraphModel',
    output: GRAPH_FEATURES,
    predict: async (handler: Artifacts) =>
      (await tf.loadGraphModel(handler)).execute(batch(), GRAPH_FEATURES) as Tensor,
  },
];

it.for(CASES)('the $format $name embeds as TF.js does', async ({ name, output, predict }, { skip }) => {
  if (!models) return skip('needs the npm registry');
  const model = join(folder, name);
  await unpackModel(join(models, name), model);
  expect(await readdir(model)).toContain('model.json');
  const normalisation = ['--mean', '0,0,0', '--std', '1,1,1'];
  const added = await rela(
    ...['--url', service.url, '--json', 'priors', 'add', name, '--tfjs', model, '--output', output],
    ...normalisation,
  );
  expect(added).toMatchObject({ code: 0 });
  const prior = Prior.parse(JSON.parse(added.stdout));
  expect(prior).toMatchObject({ source: { kind: 'tfjs' }, output, batch: null, pool: false });

  const store = openStore(join(service.folder, 'home', 'artifacts'));
  const embedder = await openEmbedder(await store.localPath(prior.model), prior, { threads: 2 });
  const embeddings: number[] = [];
  for await (const rows of embedder.embed(images)) embeddings.push(...rows);
  await embedder.dispose();

  await tf.setBackend('cpu');
  const wanted = await predict(await handlerOf(model));
  expect(wanted.shape).toEqual([COUNT, prior.width]);
  const expected = await wanted.data();
  expect(embeddings).toHaveLength(expected.length);
  const worst = embeddings.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0);
  expect(worst).toBeLessThan(1e-4);
});
