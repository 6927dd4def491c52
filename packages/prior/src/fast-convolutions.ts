/**
 * Makes a prior faster than ONNX Runtime runs it as it is: its plain convolutions become Winograd's (`onnx/winograd.ts`), by a rule
 * over shapes and without timing, so that every worker computes the same embeddings.
 */
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PriorModel, ProblemError } from '@rela/contracts';
import { withScratch } from '@rela/process';
import { FIELD, type OnnxModel, parseModel } from './onnx/model.js';
import { NodeWriter } from './onnx/node-writer.js';
import { type Convolution, type MapSize, plainConvolutions, suits, withWinograd } from './onnx/winograd.js';
import { MessageWriter } from './onnx/wire.js';
import { inputLength } from './preprocess.js';
import { ModelRefused, RunFailed, Session } from './session.js';

/** Larger files are left alone: they are read into memory, and no network of convolutions has so many weights. */
const LARGEST_FILE = 512 * 2 ** 20;

/** Value that the sides of all maps are appended to a model as. */
const SIDES = 'rela/sides';
const FLOAT = 1;

/**
 * A session on the prior with its convolutions rewritten.
 * @returns null where nothing of it is, and it has to be opened as it is
 */
export async function openRewritten(
  path: string,
  prior: PriorModel,
  threads: number,
): Promise<Session | null> {
  if ((await stat(path)).size > LARGEST_FILE) return null;
  const model = parsed(await readFile(path));
  if (!model || plainConvolutions(model).length === 0) return null;
  try {
    return await withScratch('prior', async (folder) => {
      const rewritten = await rewrite(path, prior, { folder, threads });
      return rewritten === null ? null : await Session.open({ model: rewritten, threads });
    });
  } catch (error) {
    // A prior that ONNX Runtime runs as it is stays usable; where it does not, opening it as it is says why.
    if (error instanceof ModelRefused || error instanceof RunFailed) return null;
    throw error;
  }
}

/** Null for what this parser refuses, such as weights in another file. */
function parsed(bytes: Uint8Array): OnnxModel | null {
  try {
    return parseModel(bytes);
  } catch (error) {
    if (error instanceof ProblemError) return null;
    throw error;
  }
}

/**
 * ONNX Runtime's own first pass comes before: it folds batch norm, factors and summands behind a convolution into the filter, which it
 * cannot once there is no convolution.
 * @returns the path of the rewritten model; null where no map has sides that suit
 */
async function rewrite(
  path: string,
  prior: PriorModel,
  { folder, threads }: { folder: string; threads: number },
): Promise<string | null> {
  const folded = join(folder, 'folded.onnx');
  const folding = await Session.open({ model: path, threads, optimization: 'basic', saveTo: folded });
  await folding.close();
  const model = parseModel(await readFile(folded));
  const convolutions = plainConvolutions(model);
  const maps = await mapSizes(folded, convolutions, { prior, threads });
  const sizes = new Map(
    convolutions.flatMap((convolution, index) => {
      const size = maps[index]!;
      return suits(size) ? [[convolution, size] as const] : [];
    }),
  );
  if (sizes.size === 0) return null;
  const rewritten = join(folder, 'rewritten.onnx');
  await writeFile(rewritten, withWinograd(model, sizes));
  return rewritten;
}

/** Sides of the maps that convolutions read, from a run on an empty image. The file gets an output more. */
async function mapSizes(
  path: string,
  convolutions: readonly Convolution[],
  { prior, threads }: { prior: PriorModel; threads: number },
): Promise<MapSize[]> {
  if (convolutions.length === 0) return [];
  const graph = new MessageWriter();
  const writer = new NodeWriter(graph, 'shapes');
  const shapes = convolutions.map(({ map }) => writer.emit('Shape', [map]));
  writer.emit('Cast', [writer.emit('Concat', shapes, { axis: 0 })], { to: FLOAT }, SIDES);
  graph.message(FIELD.graph.output, new MessageWriter().text(FIELD.valueInfo.name, SIDES));
  // Protocol buffers merge a message with another one of its kind that stands behind it.
  await appendFile(path, new MessageWriter().message(FIELD.model.graph, graph).finish());
  const session = await Session.open({ model: path, threads, optimization: 'disabled' });
  try {
    const { height, width, channels, layout, dtype } = prior.preprocessing;
    const images = prior.batch ?? 1;
    const length = images * inputLength(prior.preprocessing);
    const { data } = await session.run({
      input: prior.input,
      output: SIDES,
      data: dtype === 'uint8' ? new Uint8Array(length) : new Float32Array(length),
      dims: layout === 'nchw' ? [images, channels, height, width] : [images, height, width, channels],
    });
    return convolutions.map((_, index) => ({ height: data[4 * index + 2]!, width: data[4 * index + 3]! }));
  } finally {
    await session.close();
  }
}
