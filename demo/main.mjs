// The demo: the service's main job through its REST API, on images that it fetches itself. See experiment.mjs for what runs.
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { followDataset, followJob, formatSeconds, startAll } from '@rela/cli';
import { RelaApiError, RelaClient } from '@rela/sdk';
import * as experiment from './experiment.mjs';
import { watchMemory } from './memory.mjs';
import { reportOf, resultOf } from './report.mjs';

const home = fileURLToPath(new URL('../.rela/demo', import.meta.url));
const modelFolder = fileURLToPath(new URL('./models', import.meta.url));
const resultFile = fileURLToPath(new URL('./result.json', import.meta.url));
/** 128 and the number of the signal, as shells have it. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

const say = (text) => process.stdout.write(`${text}\n`);

/** Seconds that each part took, in order. */
function stopwatch() {
  const parts = [];
  return {
    parts,
    async time(name, work) {
      const began = performance.now();
      const value = await work();
      parts.push({ name, seconds: (performance.now() - began) / 1000 });
      return value;
    },
  };
}

async function findDataset(client, name, signal) {
  try {
    return await client.datasets.get(name, { signal });
  } catch (error) {
    if (error instanceof RelaApiError && error.code === 'not-found') return null;
    throw error;
  }
}

/** A data set that is ready: an earlier demo's, or a new one. */
async function haveDataset({ client, signal, reused }, input) {
  const found = await findDataset(client, input.name, signal);
  if (found?.status === 'ready') {
    reused.push(`data set ${input.name}`);
    say(`${input.name}: ${found.train} + ${found.test} images, there from an earlier demo`);
    return found;
  }
  const usable = found && found.status !== 'failed';
  const dataset = usable ? found : await client.datasets.create(input, { signal });
  return followDataset(client, dataset.id, { signal });
}

/**
 * Sees a job to its end and returns its runs. One that an earlier demo was interrupted in goes on; else a new one starts,
 * which takes what the service has computed before.
 */
async function haveRuns({ client, signal, reused }, job) {
  const digest = createHash('sha256').update(JSON.stringify(job)).digest('hex').slice(0, 12);
  const name = `${job.name} ${digest}`;
  let unfinished = null;
  for (const status of ['running', 'queued'])
    for (const found of (await client.jobs.list({ status, signal })).items)
      if (found.name === name) unfinished ??= found;
  if (unfinished) say(`Going on with ${unfinished.id}, in which an earlier demo was interrupted`);
  const { id } = unfinished ?? (await client.jobs.create({ ...job, name }, { signal }));
  const ended = await followJob(client, id, { signal });
  const runs = [];
  for (const run of ended.runs) runs.push(await client.runs.get(run.id, { signal }));
  if (ended.status !== 'succeeded') {
    const reasons = [ended, ...runs].map(({ error }) => error).filter((error) => error !== null);
    throw new Error(`The job ${id} ${ended.status}. ${[...new Set(reasons)].join(' ')}`);
  }
  const names = new Map(ended.runs.map((run) => [run.id, run.name]));
  for (const { kind, runId, total, reused: taken } of ended.stages)
    if (taken === total && total > 0) reused.push(runId === null ? kind : `${kind} ${names.get(runId)}`);
  return runs;
}

async function download({ client, signal }, runs) {
  await mkdir(modelFolder, { recursive: true });
  const paths = [];
  for (const [name, run] of Object.entries(runs)) {
    const path = `${modelFolder}/${name}.onnx`;
    await client.models.download(run.result.model, path, { signal });
    paths.push(relative(process.cwd(), path));
  }
  return paths;
}

async function show(service, signal, watch) {
  const reused = [];
  const context = { client: new RelaClient({ baseUrl: service.url }), signal, reused };
  const { client } = context;
  const memory = watchMemory(async () => [await service.databasePid()].filter((pid) => pid !== null));
  try {
    say(`\nThe service is up at ${service.url} (REST API: ${service.url}/docs)\n\nData`);
    const data = await watch.time('data sets', async () => ({
      prior: await haveDataset(context, experiment.datasets.prior),
      student: await haveDataset(context, experiment.datasets.student),
    }));
    say(`\nA prior: supervised on ${data.prior.name}`);
    const [priorRun] = await watch.time('a prior', () =>
      haveRuns(context, { name: 'demo prior', dataset: data.prior.id, runs: [experiment.priorRun] }),
    );
    const prior = await client.priors.create(
      { name: 'demo-digits', source: { kind: 'model', digest: priorRun.result.model } },
      { signal },
    );
    say(`\nBYOL on ${data.student.name}: accelerated by the prior, and its control`);
    const { accelerated: withRela, control: without } = experiment;
    const [accelerated, control] = await watch.time('accelerated and control', () =>
      haveRuns(context, {
        name: 'demo comparison',
        dataset: data.student.id,
        prior: prior.id,
        runs: [withRela, without],
      }),
    );
    const models = await download(context, { prior: priorRun, accelerated, control });
    const peak = await memory.stop();
    const result = resultOf({
      priorRun,
      accelerated,
      control,
      parts: watch.parts,
      memory: peak,
      reused,
      experiment,
    });
    await writeFile(resultFile, `${JSON.stringify(result, null, 2)}\n`);
    say(`\n${reportOf(result, models)}\n\nThe figures: ${relative(process.cwd(), resultFile)}`);
  } finally {
    await memory.stop();
  }
}

export async function main() {
  const interrupt = new AbortController();
  let service = null;
  const onSignal = (name) => {
    // The second one does not wait for what the workers are doing; they take it up again at the next start.
    if (interrupt.signal.aborted) service?.kill();
    else say(`\n${name}: stopping everything …`);
    process.exitCode = EXIT_CODES[name];
    interrupt.abort();
  };
  for (const name of Object.keys(EXIT_CODES)) process.on(name, onSignal);
  const watch = stopwatch();
  const began = performance.now();
  try {
    say(`Starting the service on ${relative(process.cwd(), home) || home}`);
    service = await watch.time('start', () =>
      startAll({ home, port: 0, onNotice: say, signal: interrupt.signal }),
    );
    await show(service, interrupt.signal, watch);
  } catch (error) {
    if (!interrupt.signal.aborted) {
      process.stderr.write(`\n${error.message}\n`);
      process.exitCode = 1;
    }
  } finally {
    await service?.stop();
  }
  say(`Stopped after ${formatSeconds((performance.now() - began) / 1000)}; no process is left.`);
}
