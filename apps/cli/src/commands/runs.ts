/** `rela runs` and `rela models`: one training, its metrics, and the model that came of it. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { FeatureFiles, Run, RunMetric } from '@rela/contracts';
import type { Command } from 'commander';
import { BadResult } from '../output/failure.js';
import { formatBytes, formatShare, formatTime } from '../output/format.js';
import { type Column, formatProperties, formatTable } from '../output/table.js';
import { parseNumber } from './arguments.js';
import { addContinue } from './continue-run.js';
import { addWeights } from './run-weights.js';
import { openSession } from './session.js';

/** What the runs of a job came to, one a line. */
export const RUN_COLUMNS: Column<Run>[] = [
  { title: 'RUN', value: ({ name }) => name },
  { title: 'ID', value: ({ id }) => id },
  { title: 'STATUS', value: ({ status, reused }) => (reused ? `${status}, reused` : status) },
  { title: 'PROBE', value: ({ result }) => formatShare(result?.accuracy ?? null), align: 'right' },
  { title: 'KNN', value: ({ result }) => formatShare(result?.knn ?? null), align: 'right' },
  { title: 'TRAIN S', value: ({ result }) => result?.trainSeconds.toFixed(1) ?? null, align: 'right' },
  { title: 'PRIOR S', value: ({ result }) => result?.priorSeconds.toFixed(1) ?? null, align: 'right' },
  { title: 'STEPS', value: ({ result }) => result?.steps ?? null, align: 'right' },
  { title: 'SWITCH', value: ({ result }) => result?.switchStep ?? null, align: 'right' },
];

/** What an evaluation beside the first one came to. */
interface Judgement {
  run: string;
  name: string;
  accuracy: number;
  knn: number | null;
  seconds: number;
}

const JUDGEMENT_COLUMNS: Column<Judgement>[] = [
  { title: 'RUN', value: ({ run }) => run },
  { title: 'EVALUATION', value: ({ name }) => name },
  { title: 'ACCURACY', value: ({ accuracy }) => formatShare(accuracy), align: 'right' },
  { title: 'KNN', value: ({ knn }) => formatShare(knn), align: 'right' },
  { title: 'SECONDS', value: ({ seconds }) => seconds.toFixed(1), align: 'right' },
];

function judgements({ name: run, result }: Run): Judgement[] {
  const { transfer = [], finetune = [] } = result ?? {};
  return [
    ...transfer.map(({ dataset, accuracy, knn, seconds }) => ({
      ...{ run, name: `linear probe on ${dataset}`, accuracy, knn, seconds },
    })),
    ...finetune.map(({ share, images, accuracy, seconds }) => ({
      run,
      name: `fine-tuned with ${Number((100 * share).toPrecision(4))} % of the labels (${images} images)`,
      ...{ accuracy, knn: null, seconds },
    })),
  ];
}

/** Other data sets and fine-tunings of the runs, one a line; null where there is none. */
export function furtherEvaluations(runs: Run[]): string | null {
  const all = runs.flatMap(judgements);
  return all.length === 0 ? null : formatTable(JUDGEMENT_COLUMNS, all);
}

function describe(run: Run): string {
  const further = furtherEvaluations([run]);
  return further === null ? propertiesOf(run) : `${propertiesOf(run)}\n\n${further}`;
}

function propertiesOf(run: Run): string {
  const { result, spec, checkpoint } = run;
  return formatProperties({
    id: run.id,
    name: run.name,
    job: run.jobId,
    status: run.reused ? `${run.status}, reused` : run.status,
    method:
      spec.rela === null
        ? spec.method.name
        : `${spec.method.name} with ReLA, ${spec.rela.switch.kind} switch${spec.rela.blend ? ', blended' : ''}`,
    backbone: spec.backbone.name,
    optimizer: `${spec.optimizer.name}, learning rate ${spec.optimizer.learningRate}, ${spec.schedule?.name ?? 'constant'}`,
    'goes on with': spec.continueFrom ?? null,
    data: `ratio ${spec.dataRatio}, ${spec.epochs} epochs, batch ${spec.batchSize}, seed ${spec.seed}`,
    checkpoint: checkpoint && `step ${checkpoint.step}, ${formatTime(checkpoint.createdAt)}`,
    'linear probe': formatShare(result?.accuracy ?? null),
    knn: formatShare(result?.knn ?? null),
    'train seconds': result?.trainSeconds.toFixed(1) ?? null,
    'prior seconds': result?.priorSeconds.toFixed(1) ?? null,
    steps: result?.steps ?? null,
    'ended by': result?.endedBy ?? null,
    'switch step': result?.switchStep ?? null,
    engine: result?.engine ?? null,
    model: result?.model ?? null,
    weights: result?.weights ?? null,
    'best on held-out images': result?.best
      ? `${formatShare(result.best.accuracy)} at step ${result.best.step}, ${result.best.model}`
      : null,
    'model of the last step': result?.lastModel ?? null,
    ...(result?.features
      ? {
          features: result.features.map(({ split, rows, width }) => `${split} ${rows} × ${width}`).join(', '),
        }
      : {}),
    error: run.error,
  });
}

const METRIC_COLUMNS: Column<RunMetric>[] = [
  { title: 'STEP', value: ({ step }) => step, align: 'right' },
  { title: 'EPOCH', value: ({ epoch }) => epoch, align: 'right' },
  { title: 'PHASE', value: ({ phase }) => phase },
  { title: 'LOSS', value: ({ loss }) => loss.toFixed(5), align: 'right' },
  { title: 'RHO', value: ({ rho }) => rho?.toFixed(5) ?? null, align: 'right' },
  {
    title: 'ONLINE ACCURACY',
    value: ({ classifierAccuracy }) => classifierAccuracy?.toFixed(4) ?? null,
    align: 'right',
  },
  { title: 'SECONDS', value: ({ seconds }) => seconds.toFixed(1), align: 'right' },
];

export function addRuns(program: Command): void {
  const runs = program.command('runs').description('runs: one training each');
  runs
    .command('show')
    .description('one run and its result')
    .argument('<run>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const run = await client.runs.get(id);
      output.result(run, () => describe(run));
    });
  runs
    .command('metrics')
    .description('its losses by step')
    .argument('<run>', 'id')
    .option('--after <step>', 'only later steps', parseNumber)
    .option('--limit <n>', 'metrics a page', parseNumber)
    .action(async (id: string, options: { after?: number; limit?: number }, command: Command) => {
      const { client, output } = await openSession(command);
      const page = await client.runs.metrics(id, options);
      const more = page.next === null ? '' : `\n\nThere are more: --after ${page.next}`;
      output.result(page, () => formatTable(METRIC_COLUMNS, page.items) + more);
    });
  runs
    .command('features')
    .description('download the features and labels that it keeps')
    .argument('<run>', 'id')
    .requiredOption(
      '-o, --output <folder>',
      'where to write train-features.npy, train-labels.npy, …, or train.parquet, …',
    )
    .action(downloadFeatures);
  addWeights(runs);
  addContinue(runs);
}

/** The files of a split by name, each with its digest. */
function filesOf(kept: FeatureFiles): Record<string, string> {
  const { split, features } = kept;
  if (kept.format === 'parquet') return { [`${split}.parquet`]: features };
  return { [`${split}-features.npy`]: features, [`${split}-labels.npy`]: kept.labels };
}

/** Features of a run as files in a folder. */
async function downloadFeatures(id: string, { output: folder }: { output: string }, command: Command) {
  const { client, output } = await openSession(command);
  const { result, name } = await client.runs.get(id);
  if (!result?.features)
    throw new BadResult(
      `Run "${name}" keeps no features. Submit it again with "evaluation: { features: npy }" or "parquet": what is trained already is taken as it is.`,
    );
  const into = resolve(folder);
  await mkdir(into, { recursive: true });
  const files: { path: string; digest: string; bytes: number }[] = [];
  for (const [file, digest] of result.features.flatMap((kept) => Object.entries(filesOf(kept)))) {
    const path = join(into, file);
    files.push({ path, digest, bytes: await client.artifacts.download(digest, path) });
  }
  output.result(files, () => files.map(({ path, bytes }) => `${path}: ${formatBytes(bytes)}`).join('\n'));
}

export function addModels(program: Command): void {
  program
    .command('models')
    .description('models: trained backbones')
    .command('get')
    .description('download a model as ONNX and check its digest')
    .argument('<digest>', 'as `runs show` has it')
    .requiredOption('-o, --output <file>', 'where to write it')
    .action(async (digest: string, options: { output: string }, command: Command) => {
      const { client, output } = await openSession(command);
      const path = resolve(options.output);
      const bytes = await client.models.download(digest, path);
      output.result({ digest, path, bytes }, () => `${path}: ${formatBytes(bytes)}`);
    });
}
