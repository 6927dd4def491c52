/**
 * The files of a TF.js model as TF.js wants them: model.json, and the weight files that it names. Both come from strangers:
 * a name in model.json only chooses among the files that were given, and sizes are compared before anything is allocated.
 */
import type { io } from '@tensorflow/tfjs-core';
import { EngineError } from '../errors.js';
import { sizeOf } from '../tensors.js';

/** The files of a model by plain name; a file is read when it is asked for. */
export type ModelFiles = ReadonlyMap<string, () => Promise<Uint8Array>>;

export type ModelFormat = 'layers-model' | 'graph-model';

export interface ModelArtifacts {
  format: ModelFormat;
  artifacts: io.ModelArtifacts;
}

export const MODEL_FILE = 'model.json';

/** Bytes that one element takes in a weight file. */
const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  complex64: 8,
  bool: 1,
  uint8: 1,
  uint16: 2,
  float16: 2,
};

interface WeightGroup {
  paths: string[];
  weights: io.WeightsManifestEntry[];
}

const invalid = (message: string, cause?: unknown) =>
  new EngineError('invalid-model', message, cause === undefined ? {} : { cause });

/** @throws EngineError `invalid-model`: what was wrong, in which file, what to do */
export async function readArtifacts(files: ModelFiles): Promise<ModelArtifacts> {
  const json = parse(await read(files, MODEL_FILE));
  const topology = json.modelTopology;
  const format = formatOf(json.format, topology);
  const groups = weightGroups(json.weightsManifest);
  const weightData: ArrayBuffer[] = [];
  for (const [index, group] of groups.entries()) weightData.push(await readGroup(files, group, index));
  const { signature, modelInitializer, initializerSignature } = json;
  return {
    format,
    artifacts: {
      modelTopology: topology as object,
      weightSpecs: groups.flatMap(({ weights }) => weights),
      weightData,
      ...(isObject(signature) ? { signature } : {}),
      ...(isObject(modelInitializer) ? { modelInitializer } : {}),
      ...(isObject(initializerSignature) ? { initializerSignature } : {}),
    },
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

async function read(files: ModelFiles, name: string): Promise<Uint8Array> {
  const file = files.get(name);
  if (file) return file();
  const given = [...files.keys()];
  throw invalid(
    `The file ${name} is missing; ${given.length === 0 ? 'the folder is empty' : `there are ${listed(given)}`}. Give the whole folder that TF.js or its converter wrote.`,
  );
}

/** Names beyond these are counted. */
const SHOWN = 8;

const listed = (names: readonly string[]): string =>
  names.slice(0, SHOWN).join(', ') + (names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '');

function parse(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(
      `${MODEL_FILE} is no JSON (${error.message}). Give the folder that TF.js or its converter wrote.`,
      error,
    );
  }
  throw invalid(`${MODEL_FILE} holds no JSON object. Give the folder that TF.js or its converter wrote.`);
}

/** `format` is absent in files of early versions; then the topology tells. */
function formatOf(declared: unknown, topology: unknown): ModelFormat {
  if (isObject(topology)) {
    if (Array.isArray(topology.node)) return 'graph-model';
    if (isObject(topology.model_config) || typeof topology.class_name === 'string') return 'layers-model';
  }
  throw invalid(
    `${MODEL_FILE} is neither a LayersModel (modelTopology with model_config) nor a GraphModel (modelTopology with nodes)${typeof declared === 'string' ? `; it calls itself "${declared.slice(0, 40)}"` : ''}. Save the model with model.save() of TF.js, or convert it with tensorflowjs_converter --output_format=tfjs_layers_model or tfjs_graph_model.`,
  );
}

function weightGroups(manifest: unknown): WeightGroup[] {
  if (!Array.isArray(manifest) || manifest.length === 0)
    throw invalid(
      `${MODEL_FILE} names no weight files (weightsManifest). A prior needs its trained weights: save the model together with them.`,
    );
  return manifest.map((group: unknown, index) => {
    const { paths, weights } = isObject(group) ? group : {};
    if (!Array.isArray(paths) || !Array.isArray(weights))
      throw invalid(
        `weightsManifest[${index}] of ${MODEL_FILE} lacks paths or weights. Save the model again.`,
      );
    return {
      paths: paths.map((path) => plainName(path, index)),
      weights: weights.map((weight, at) => weightEntry(weight, `weightsManifest[${index}].weights[${at}]`)),
    };
  });
}

/** TF.js and its converter write weights beside model.json, in browsers as ./NAME. */
function plainName(path: unknown, group: number): string {
  const name = typeof path === 'string' ? path.replace(/^\.\//, '') : '';
  if (name === '' || name === '.' || name === '..' || /[/\\:\0]/.test(name))
    throw invalid(
      `weightsManifest[${group}] of ${MODEL_FILE} names the weight file ${JSON.stringify(path)?.slice(0, 100)}. Weight files stand beside ${MODEL_FILE}, under plain names: no folders, no absolute paths, no addresses.`,
    );
  return name;
}

function weightEntry(weight: unknown, where: string): io.WeightsManifestEntry {
  const { name, shape, dtype, quantization } = isObject(weight) ? weight : {};
  const stored = isObject(quantization) ? quantization.dtype : dtype;
  const sides = Array.isArray(shape) && shape.every((side) => Number.isSafeInteger(side) && side >= 0);
  if (typeof name !== 'string' || !sides)
    throw invalid(`${where} of ${MODEL_FILE} lacks a name or a shape. Save the model again.`);
  if (typeof stored !== 'string' || !(stored in ELEMENT_BYTES) || !Number.isSafeInteger(sizeOf(shape)))
    throw invalid(
      `Weight "${name}" (${where} of ${MODEL_FILE}) is ${String(stored)} [${shape}]. Weights are ${Object.keys(ELEMENT_BYTES).join(', ')}; text cannot be computed with.`,
    );
  return weight as io.WeightsManifestEntry;
}

const bytesOf = ({ shape, dtype, quantization }: io.WeightsManifestEntry): number =>
  sizeOf(shape) * ELEMENT_BYTES[quantization?.dtype ?? dtype]!;

async function readGroup(
  files: ModelFiles,
  { paths, weights }: WeightGroup,
  index: number,
): Promise<ArrayBuffer> {
  const missing = paths.filter((path) => !files.has(path));
  if (missing.length > 0)
    throw invalid(
      `Of the ${paths.length} weight files that ${MODEL_FILE} names, ${missing.length} ${missing.length === 1 ? 'is' : 'are'} missing: ${listed(missing)}. Give them too, under these names.`,
    );
  const shards: Uint8Array[] = [];
  for (const path of paths) shards.push(await read(files, path));
  const found = shards.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const wanted = weights.reduce((sum, weight) => sum + bytesOf(weight), 0);
  if (found !== wanted)
    throw invalid(
      `The weights of weightsManifest[${index}] take ${wanted} bytes, but their files (${paths
        .map((path, at) => `${path}: ${shards[at]!.byteLength}`)
        .slice(0, SHOWN)
        .join(
          ', ',
        )}${paths.length > SHOWN ? ', …' : ''}) have ${found}: ${found < wanted ? `${wanted - found} are missing, so a file was cut short` : `${found - wanted} too many`}. Copy the folder again, or save the model again.`,
    );
  const joined = new Uint8Array(found);
  let at = 0;
  for (const shard of shards) {
    joined.set(shard, at);
    at += shard.byteLength;
  }
  return joined.buffer;
}
