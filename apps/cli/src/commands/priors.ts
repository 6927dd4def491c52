/** `rela priors`: register a model as a prior, look at the registered ones. */
import { access } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { BackboneSpec, type Prior } from '@rela/contracts';
import type { PriorInput, RelaClient } from '@rela/sdk';
import { type Command, Option } from 'commander';
import { UsageError } from '../output/failure.js';
import { formatTime, shortDigest } from '../output/format.js';
import type { Output } from '../output/output.js';
import { type Column, formatProperties, formatTable } from '../output/table.js';
import { given, parseNumber, parseNumbers } from './arguments.js';
import { addListOptions, type ListOptions, moreNote } from './lists.js';
import { openSession } from './session.js';

interface AddOptions {
  onnx?: string;
  tfjs?: string;
  path?: string;
  model?: string;
  random?: BackboneSpec['name'];
  imageSize?: number;
  seed?: number;
  output?: string;
  height?: number;
  width?: number;
  channels?: number;
  layout?: 'nchw' | 'nhwc';
  dtype?: 'float32' | 'uint8';
  scale?: 'unit' | 'byte';
  mean?: number[];
  std?: number[];
}
type Source = PriorInput['source'];

/** The service says which values are valid; here they only have to be there. */
function randomSource(backbone: BackboneSpec['name'], { imageSize, channels, seed }: AddOptions): Source {
  if (imageSize === undefined || channels === undefined)
    throw new UsageError('--random needs --image-size and --channels.');
  return {
    kind: 'random',
    backbone: { name: backbone },
    imageSize,
    channels: channels as 1 | 3,
    ...given({ seed }),
  };
}

const TFJS_FILE = 'model.json';

/** Which of the files the model needs is the service's to know. */
async function uploadTfjs(given: string, client: RelaClient, output: Output): Promise<Source> {
  const folder = basename(given) === TFJS_FILE ? dirname(given) : given;
  await access(join(folder, TFJS_FILE)).catch((cause: Error) => {
    throw new UsageError(
      `${folder} holds no ${TFJS_FILE} (${cause.message}). --tfjs takes the folder that TF.js or tensorflowjs_converter wrote.`,
      { cause },
    );
  });
  output.note(`Uploading ${folder} …`);
  return { kind: 'tfjs', files: await client.artifacts.uploadFolder(folder) };
}

async function sourceOf(options: AddOptions, client: RelaClient, output: Output): Promise<Source> {
  const { onnx, tfjs, path, model, random } = options;
  if ([onnx, tfjs, path, model, random].filter((value) => value !== undefined).length !== 1)
    throw new UsageError(
      'Give one of --onnx FILE, --tfjs FOLDER, --path PATH, --model DIGEST and --random BACKBONE.',
    );
  if (random !== undefined) return randomSource(random, options);
  if (model !== undefined) return { kind: 'model', digest: model };
  if (path !== undefined) return { kind: 'path', path: resolve(path) };
  if (tfjs !== undefined) return uploadTfjs(tfjs, client, output);
  output.note(`Uploading ${onnx} …`);
  const { digest } = await client.artifacts.upload(onnx ?? '');
  return { kind: 'artifact', digest };
}

function preprocessingOf(options: AddOptions): NonNullable<PriorInput['preprocessing']> {
  const { height, width, layout, dtype, scale, mean, std } = options;
  const channels = options.random === undefined ? (options.channels as 1 | 3 | undefined) : undefined;
  return given({ height, width, channels, layout, dtype, scale, mean, std });
}

const COLUMNS: Column<Prior>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'SOURCE', value: ({ source }) => source.kind },
  {
    title: 'INPUT',
    value: ({ preprocessing: { width, height, channels } }) => `${width} × ${height} × ${channels}`,
  },
  { title: 'OUTPUT', value: ({ output }) => output },
  { title: 'WIDTH', value: ({ width }) => width, align: 'right' },
  { title: 'CREATED', value: ({ createdAt }) => formatTime(createdAt) },
];

function describe(prior: Prior): string {
  const { preprocessing: p } = prior;
  return formatProperties({
    id: prior.id,
    name: prior.name,
    digest: shortDigest(prior.digest),
    model: prior.model,
    source: prior.source.kind,
    input: `${prior.input}: ${p.width} × ${p.height} px, ${p.channels} channels, ${p.layout}, ${p.dtype}`,
    values: `${p.scale === 'unit' ? '0 to 1' : '0 to 255'}, mean ${p.mean.join(', ')}, std ${p.std.join(', ')}`,
    output: prior.pool ? `${prior.output}, averaged over its positions` : prior.output,
    width: prior.width,
    created: formatTime(prior.createdAt),
  });
}

export function addPriors(program: Command): void {
  const priors = program
    .command('priors')
    .description('priors: ONNX or TF.js models whose embeddings become targets');
  priors
    .command('add')
    .description('register a prior; the service opens it and runs it once')
    .argument('<name>', 'name to refer to it by')
    .option('--onnx <file>', 'ONNX file, uploaded')
    .option('--tfjs <folder>', 'TF.js LayersModel or GraphModel: model.json and its weight files, uploaded')
    .option('--path <path>', 'ONNX file, or folder of a TF.js model, that the service can read')
    .option('--model <digest>', 'model that an earlier run trained')
    .addOption(
      new Option('--random <backbone>', 'freshly initialised').choices(BackboneSpec.shape.name.options),
    )
    .option('--image-size <n>', 'side of its images in pixels (--random)', parseNumber)
    .option('--seed <n>', 'of its weights (--random)', parseNumber)
    .option('--output <name>', 'output, inner node or layer to use')
    .option('--height <n>', 'input height in pixels', parseNumber)
    .option('--width <n>', 'input width in pixels', parseNumber)
    .option('--channels <n>', '1 or 3', parseNumber)
    .addOption(new Option('--layout <layout>', 'order of the axes').choices(['nchw', 'nhwc']))
    .addOption(new Option('--dtype <type>', 'type of the input').choices(['float32', 'uint8']))
    .addOption(
      new Option('--scale <scale>', 'values in [0, 1] or [0, 255] before normalising').choices([
        'unit',
        'byte',
      ]),
    )
    .option('--mean <list>', 'subtracted per channel, such as 0.485,0.456,0.406', parseNumbers)
    .option('--std <list>', 'divided by, per channel', parseNumbers)
    .action(async (name: string, options: AddOptions, command: Command) => {
      const { client, output } = await openSession(command);
      const preprocessing = preprocessingOf(options);
      const prior = await client.priors.create({
        name,
        source: await sourceOf(options, client, output),
        ...given({ output: options.output }),
        ...(Object.keys(preprocessing).length > 0 ? { preprocessing } : {}),
      });
      output.result(prior, () => describe(prior));
    });
  addListOptions(priors.command('list').description('priors, newest first')).action(
    async (options: ListOptions, command: Command) => {
      const { client, output } = await openSession(command);
      const page = await client.priors.list(options);
      output.result(page, () => formatTable(COLUMNS, page.items) + moreNote(page));
    },
  );
  priors
    .command('show')
    .description('one prior')
    .argument('<prior>', 'id, name or digest')
    .action(async (reference: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const prior = await client.priors.get(reference);
      output.result(prior, () => describe(prior));
    });
}
