/** What the command line says of targets that cannot be exported. The service is played by a table of its answers. */
import { type Problem, ProblemError } from '@rela/contracts';
import { RelaClient } from '@rela/sdk';
import { expect, it } from 'vitest';
import { openExportSource } from './export-source.js';
import { findTargets, type MadeTargets } from './find-targets.js';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const targets = {
  ...{ id: 'stg_1', jobId: 'job_1', runIds: [], datasetId: 'ds_1', dataset: digest('d'), prior: digest('e') },
  ...{ k: 64, count: 3, status: 'waiting', digest: null, error: null, endedAt: null },
  createdAt: '2026-01-01T00:00:00Z',
};
const stage = (kind: string, more: object = {}) => ({
  ...{ kind, runId: null, total: 1, succeeded: 0, reused: 0, failed: 0, progress: null },
  ...more,
});
const job = (more: object) => ({
  ...{
    id: 'job_1',
    name: null,
    status: 'running',
    datasetId: 'ds_1',
    priorId: null,
    waitsFor: [],
    runs: [],
    error: null,
  },
  ...{ createdAt: '2026-01-01T00:00:00Z', startedAt: null, endedAt: null },
  ...{ appraisals: [], blend: null, choice: null, warnings: [], labels: {}, limits: {}, priority: 0 },
  ...{ scheduleId: null, dueAt: null },
  ...more,
});
const manifest = {
  ...{ version: 1, classes: null, channels: 1, imageSize: null, mean: [0], std: [1] },
  splits: { train: { count: 3, shards: [{ digest: digest('a'), count: 3, bytes: 9 }] }, test: null },
};
const stored = { version: 1, k: 64, count: 3, shards: [{ digest: digest('b'), count: 3 }] };

/** @param answers by path and query; what is not there is not found */
function serving(answers: Record<string, unknown>): RelaClient {
  return new RelaClient({
    baseUrl: 'http://service',
    fetch: async (input) => {
      const { pathname, search } = new URL(String(input));
      const answer = answers[decodeURIComponent(pathname + search)];
      if (answer !== undefined) return Response.json(answer);
      const problem: Problem = new ProblemError('not-found', 'There is no such thing.').toProblem();
      return Response.json(problem, { status: 404 });
    },
  });
}
const listed = (...items: object[]) => ({ '/v1/targets?job=job_1': { items, next: null } });

it.each([
  {
    why: 'the stage that is under way, and how far it is',
    made: {},
    job: job({ stages: [stage('embed', { total: 4, succeeded: 3 }), stage('reduce')] }),
    says: 'the stage embed is at 3/4 shards. Wait for them with: rela jobs follow job_1',
  },
  {
    why: 'the stage that failed before',
    made: { status: 'cancelled' },
    job: job({
      status: 'failed',
      error: 'Out of memory.',
      stages: [stage('embed', { failed: 1 }), stage('reduce')],
    }),
    says: 'the stage embed failed: Out of memory.',
  },
  {
    why: 'why their own stage failed',
    made: { status: 'failed', error: 'The disk is full.' },
    job: job({ status: 'failed', stages: [] }),
    says: 'the stage reduce failed: The disk is full.',
  },
  {
    why: 'that the job was cancelled',
    made: { status: 'cancelled' },
    job: job({ status: 'cancelled', stages: [stage('embed'), stage('reduce')] }),
    says: 'the job was cancelled before',
  },
])('says of targets that are not made $why', async ({ made, job: state, says }) => {
  const client = serving({ ...listed({ ...targets, ...made }), '/v1/jobs/job_1': state });
  await expect(findTargets(client, 'job_1', undefined)).rejects.toMatchObject({
    code: 'not-ready',
    message: expect.stringContaining(says),
  });
});

it('asks which, where a job has several targets, and takes the ones that are chosen', async () => {
  const wide = { ...targets, k: 512, digest: digest('c'), status: 'succeeded' };
  const client = serving(listed(targets, wide));
  await expect(findTargets(client, 'job_1', undefined)).rejects.toMatchObject({
    code: 'invalid-request',
    message: expect.stringContaining('with 64, 512 floats each. Choose with --k'),
  });
  expect(await findTargets(client, 'job_1', 512)).toMatchObject({ digest: digest('c') });
});

const run = (rela: object | null) => ({
  ...{ id: 'run_1', jobId: 'job_1', name: 'a', status: 'queued', result: null, reused: false },
  ...{ checkpoint: null, error: null, createdAt: targets.createdAt, startedAt: null, endedAt: null },
  spec: { name: 'a', method: { name: 'byol' }, rela },
});
const noneOfRun = { '/v1/targets?run=run_1': { items: [], next: null } };

it('says of a run that trains without ReLA that it has no targets', async () => {
  const client = serving({ ...noneOfRun, '/v1/runs/run_1': run(null) });
  await expect(findTargets(client, 'run_1', undefined)).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringContaining('trains without ReLA'),
  });
});

it('says of a job, and of its runs, that a prior is still to be chosen, or why none was', async () => {
  const choosing = job({ stages: [stage('appraise', { total: 3, succeeded: 1 }), stage('choose')] });
  const client = serving({
    ...noneOfRun,
    ...listed(),
    '/v1/runs/run_1': run({}),
    '/v1/jobs/job_1': choosing,
  });
  for (const reference of ['job_1', 'run_1'])
    await expect(findTargets(client, reference, undefined)).rejects.toMatchObject({
      code: 'not-ready',
      message: expect.stringMatching(/the stage appraise is at 1\/3 .*rela jobs follow job_1/),
    });
  const none = { status: 'failed', error: 'No candidate.', stages: [stage('choose', { failed: 1 })] };
  const failed = serving({ ...listed(), '/v1/jobs/job_1': job(none) });
  await expect(findTargets(failed, 'job_1', undefined)).rejects.toMatchObject({
    message: expect.stringContaining('the stage choose failed: No candidate.'),
  });
});

/** Artifacts whose digest does not matter: what is downloaded is checked in the client's own tests. */
function storing(artifacts: Record<string, unknown>): RelaClient {
  const client = serving({});
  const get = async (name: string) => {
    const artifact = artifacts[name];
    if (artifact === undefined) return serving({}).artifacts.read(name);
    return Buffer.from(JSON.stringify(artifact));
  };
  Object.assign(client.artifacts, { read: get, open: get, download: get });
  return client;
}
const made = { ...targets, status: 'succeeded', digest: digest('c') } as MadeTargets;
const signal = new AbortController().signal;

it('says of targets whose bytes are gone how to make them again', async () => {
  await expect(openExportSource(storing({}), made, signal)).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringContaining('rela targets make ds_1'),
  });
});

it('says of images that are gone what to do, and that the targets can be had without them', async () => {
  const client = storing({ [digest('c')]: stored, [digest('d')]: manifest });
  const source = await openExportSource(client, made, signal);
  for (const fetching of [source.download(digest('a'), '/nowhere'), source.open(digest('a'))])
    await expect(fetching).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringMatching(/Images of the data set ds_1 are gone.*--no-labels/),
    });
});

it('refuses targets that are of another data set', async () => {
  const other = { ...stored, shards: [{ digest: digest('b'), count: 2 }] };
  const client = storing({ [digest('c')]: other, [digest('d')]: manifest });
  await expect(openExportSource(client, made, signal)).rejects.toMatchObject({ code: 'invalid-data' });
});
