import { RelaApiError } from '@rela/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { collect } from '../testing/collect.js';
import { startService, type TestService } from '../testing/service.js';
import { addReadyDataset, claimStages, smallJob, workOff } from '../testing/work.js';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addReadyDataset(service, 'digits');
});
afterAll(() => service.close());

async function refusal(work: Promise<unknown>) {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(RelaApiError);
  return (error as RelaApiError).problem;
}

function post(path: string, body: unknown, key: string) {
  return fetch(`${service.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(body),
  });
}

const jobCount = async () => (await collect(service.client.jobs.all())).length;

it('accepts a job with 202 and its Location', async () => {
  const response = await post('/v1/jobs', smallJob('digits'), 'location');
  expect(response.status).toBe(202);
  const job = (await response.json()) as { id: string };
  expect(response.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
  expect(await service.client.jobs.get(job.id)).toMatchObject({ id: job.id, status: 'queued' });
});

it('makes one job of the same POST sent twice, and says so', async () => {
  const before = await jobCount();
  const [first, second] = [
    await post('/v1/jobs', smallJob('digits'), 'twice'),
    await post('/v1/jobs', smallJob('digits'), 'twice'),
  ];
  expect([first.status, second.status]).toEqual([202, 202]);
  expect(first.headers.get('idempotency-replayed')).toBeNull();
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  expect(second.headers.get('location')).toBe(first.headers.get('location'));
  expect(await second.json()).toEqual(await first.json());
  expect(await jobCount()).toBe(before + 1);
});

it('makes one job of the same POST sent twenty times at once', async () => {
  const before = await jobCount();
  const sent = await Promise.all(
    Array.from({ length: 20 }, () =>
      service.client.jobs.create(smallJob('digits'), { idempotencyKey: 'at once' }),
    ),
  );
  expect(new Set(sent.map((job) => job.id)).size).toBe(1);
  expect(await jobCount()).toBe(before + 1);
});

it('tells those who come while the first is under way to come back', async () => {
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => post('/v1/jobs', smallJob('digits'), 'crowd')),
  );
  for (const answer of answers.filter((one) => one.status !== 202)) {
    expect(answer.status).toBe(409);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await answer.json()).toMatchObject({ code: 'idempotency-in-progress' });
  }
  expect(answers.some((one) => one.status === 202)).toBe(true);
});

it('refuses a key that was used for another request', async () => {
  await post('/v1/jobs', smallJob('digits', 'one'), 'reused');
  const answer = await post('/v1/jobs', smallJob('digits', 'other'), 'reused');
  expect(answer.status).toBe(422);
  expect(await answer.json()).toMatchObject({ code: 'idempotency-mismatch' });
});

it('frees the key of a request that was refused', async () => {
  expect((await post('/v1/jobs', smallJob('digist'), 'corrected')).status).toBe(404);
  expect((await post('/v1/jobs', smallJob('digits'), 'corrected')).status).toBe(202);
});

it('names an unknown dataset and the nearest one', async () => {
  const problem = await refusal(service.client.jobs.create(smallJob('digist')));
  expect(problem).toMatchObject({ status: 404, code: 'not-found' });
  expect(problem.detail).toContain('"digist"');
  expect(problem.detail).toContain('did you mean "digits"');
});

it('names an unknown prior', async () => {
  const problem = await refusal(service.client.jobs.create({ ...smallJob('digits'), prior: 'nobody' }));
  expect(problem.code).toBe('not-found');
  expect(problem.detail).toContain('prior "nobody"');
});

it('says that a dataset is not ready yet, and what to do', async () => {
  const { id } = await service.client.datasets.create({
    name: 'later',
    source: { kind: 'recipe', recipe: 'fashion-mnist' },
  });
  const problem = await refusal(service.client.jobs.create(smallJob('later')));
  expect(problem).toMatchObject({ status: 409, code: 'not-ready' });
  expect(problem.detail).toContain('is queued');
  expect(problem.detail).toContain(`GET /v1/datasets/${id}`);
});

it('walks every page, newest first, without a gap or a repetition', async () => {
  for (let index = 0; index < 5; index++)
    await service.client.jobs.create(smallJob('digits', `page ${index}`));
  const ids: string[] = [];
  for await (const { id } of service.client.jobs.all({ limit: 2 })) ids.push(id);
  expect(ids).toEqual([...new Set(ids)].sort().reverse());
  expect(ids).toHaveLength((await service.client.jobs.list({ limit: 200 })).items.length);
});

it('lists the jobs in one state', async () => {
  const { id } = await service.client.jobs.create(smallJob('digits'));
  await service.client.jobs.cancel(id);
  const cancelled = await collect(service.client.jobs.all({ status: 'cancelled' }));
  expect(cancelled.map((job) => job.id)).toContain(id);
  expect(new Set(cancelled.map((job) => job.status))).toEqual(new Set(['cancelled']));
});

it('takes many jobs in one request, each on its own, and makes none twice', async () => {
  const before = await jobCount();
  const body = [
    JSON.stringify(smallJob('digits', 'first')),
    '',
    '{"dataset": "digits", "runs": [',
    JSON.stringify({ ...smallJob('digits'), dataset: 'dgits' }),
    JSON.stringify({ ...smallJob('digits'), nmae: 'x' }),
    JSON.stringify(smallJob('digits', 'last')),
  ].join('\n');
  const send = async () => {
    const response = await fetch(`${service.url}/v1/jobs/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': 'a batch' },
      body,
    });
    expect(response.status).toBe(200);
    return (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  };
  const answers = await send();
  expect(answers).toMatchObject([
    { line: 1, status: 202, job: { name: 'first', status: 'queued' } },
    { line: 3, status: 400, problem: { detail: expect.stringContaining('The line is not JSON: it ends') } },
    { line: 4, status: 404, problem: { detail: expect.stringContaining('did you mean "digits"') } },
    { line: 5, status: 400, problem: { errors: [{ field: 'nmae' }] } },
    { line: 6, status: 202, job: { name: 'last' } },
  ]);
  expect((await send()).map(({ job }) => job?.id)).toEqual(answers.map(({ job }) => job?.id));
  expect(await jobCount()).toBe(before + 2);
});

it('refuses a batch that is empty or too large, and gives answers in order as the client asks', async () => {
  const { jobs } = service.client;
  const post = (text: string) =>
    fetch(`${service.url}/v1/jobs/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: text,
    });
  expect((await post('\n\n')).status).toBe(400);
  expect((await post('{}\n'.repeat(10_001))).status).toBe(413);
  const lines: number[] = [];
  const inputs = Array.from({ length: 9 }, (_, at) => smallJob(at === 3 ? 'nothing' : 'digits', `job ${at}`));
  for await (const { line, job, problem } of jobs.createMany(inputs)) {
    lines.push(line);
    if (line === 4) expect(problem).toMatchObject({ code: 'not-found' });
    else expect(job).toMatchObject({ name: `job ${line - 1}` });
  }
  expect(lines).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it('lists the jobs with labels, and says how one is asked for', async () => {
  const { jobs } = service.client;
  const labels = { team: 'vision', ticket: 'ML-12' };
  const { id } = await jobs.create({ ...smallJob('digits', 'labelled'), labels });
  expect((await jobs.list({ labels, name: 'LAB' })).items).toMatchObject([{ id, labels }]);
  expect((await jobs.list({ labels: { team: 'speech' } })).items).toEqual([]);
  for (const query of ['label=team', 'label=team=a=b', `label=${'k'.repeat(64)}=v`]) {
    const response = await fetch(`${service.url}/v1/jobs?${query}`);
    expect([query, response.status]).toEqual([query, 400]);
    expect(await response.json()).toMatchObject({ errors: [{ field: 'label' }] });
  }
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, key) => [`key${key}`, 'value']));
  expect(await refusal(jobs.create({ ...smallJob('digits'), labels: many }))).toMatchObject({
    errors: [{ field: 'labels', message: 'has more than 32 labels' }],
  });
  expect(await refusal(jobs.create({ ...smallJob('digits'), labels: { 'a b': 'c' } }))).toMatchObject({
    errors: [{ field: 'labels.a b', message: expect.stringContaining('is no key: up to 63 letters') }],
  });
});

it('cancels a job that waits at once, and again without a change', async () => {
  const { id } = await service.client.jobs.create(smallJob('digits'));
  expect(await service.client.jobs.cancel(id)).toMatchObject({ status: 'cancelled' });
  expect(await service.client.jobs.cancel(id)).toMatchObject({ status: 'cancelled' });
  expect((await refusal(service.client.jobs.cancel('job_none'))).code).toBe('not-found');
});

it('pauses a job, goes on with it, and names its stages meanwhile', async () => {
  const { jobs } = service.client;
  const { id } = await jobs.create(smallJob('digits'));
  expect(await jobs.pause(id)).toMatchObject({ status: 'paused' });
  expect(await claimStages(service, id)).toEqual([]);
  expect((await jobs.stages(id)).items).toMatchObject([
    { kind: 'train', status: 'paused', attempt: 0, error: null },
    { kind: 'evaluate', status: 'waiting' },
  ]);
  const first = await jobs.stages(id, { limit: 1 });
  expect(await jobs.stages(id, { cursor: first.next ?? '' })).toMatchObject({
    items: [{ kind: 'evaluate' }],
    next: null,
  });
  expect(await refusal(jobs.stages(id, { cursor: 'stg_none' }))).toMatchObject({ code: 'invalid-request' });
  expect(await jobs.resume(id)).toMatchObject({ status: 'queued' });
  await workOff(service, id, new Uint8Array([1]));
  expect(await refusal(jobs.pause(id))).toMatchObject({ status: 409, code: 'conflict' });
});

it('sends a failed job again once for a request that comes twice, and tells the whole story', async () => {
  const { jobs, deadLetters } = service.client;
  const { id } = await jobs.create(smallJob('digits'));
  for (const claim of await claimStages(service, id))
    await service.database.stages.fail(claim, { error: 'no memory', retryable: true, maxAttempts: 1 });
  expect((await deadLetters.list()).items).toMatchObject([{ jobId: id, kind: 'train', error: 'no memory' }]);
  for (const replayed of [null, 'true']) {
    const response = await post(`/v1/jobs/${id}/retry`, {}, 'again');
    expect([response.status, response.headers.get('idempotency-replayed')]).toEqual([202, replayed]);
  }
  expect(await refusal(jobs.retry(id))).toMatchObject({ status: 409 });
  await workOff(service, id, new Uint8Array([1]));
  const states: string[] = [];
  for await (const update of jobs.follow(id)) if (update.type === 'job') states.push(update.status);
  expect(states).toEqual(['queued', 'running', 'failed', 'queued', 'running', 'succeeded']);
  expect((await deadLetters.list()).items).toEqual([]);
  expect(await refusal(jobs.retry(id, { from: 'embed' }))).toMatchObject({ status: 404, code: 'not-found' });
});

it('gives a run with its result, and its metrics page by page', async () => {
  const job = await service.client.jobs.create({ ...smallJob('digits'), reuse: false });
  const runId = job.runs[0]!.id;
  const [claim] = await claimStages(service, job.id);
  const metrics = Array.from({ length: 5 }, (_value, index) => ({
    ...{ step: index + 1, epoch: 0, phase: 'method' as const, loss: 1 / (index + 1), rho: null },
    ...{ classifierAccuracy: null, seconds: index },
  }));
  await service.database.runs.appendMetrics(claim!, metrics);
  const first = await service.client.runs.metrics(runId, { limit: 2 });
  expect(first.items.map(({ step }) => step)).toEqual([1, 2]);
  expect(first.next).toBe('2');
  expect(await collect(service.client.runs.allMetrics(runId, { limit: 2 }))).toEqual(metrics);
  await service.database.stages.release(claim!);
  await workOff(service, job.id, new TextEncoder().encode('model'));
  const run = await service.client.runs.get(runId);
  expect(run).toMatchObject({ status: 'succeeded', result: { accuracy: 0.75, steps: 8 } });
});

it('refuses what it is to wait for where there is no such thing, by its field', async () => {
  const { jobs } = service.client;
  const earlier = await jobs.create(smallJob('digits'));
  const student = { name: 'student', method: { name: 'byol' as const }, rela: {}, batchSize: 8 };
  const fault = async (more: object) =>
    (await refusal(jobs.create({ dataset: 'digits', runs: [student], ...more }))).errors;
  const job = earlier.id;
  expect(await fault({ prior: { run: 'run_x' } })).toMatchObject([{ field: 'prior.run' }]);
  expect(await fault({ prior: { job: 'job_x', run: 'only' } })).toMatchObject([{ field: 'prior.job' }]);
  expect(await fault({ prior: { job, run: 'onyl' } })).toMatchObject([
    { field: 'prior.run', message: expect.stringContaining('did you mean "only"') },
  ]);
  expect(await fault({ prior: { job, run: 'only' }, after: [job, 'job_x'] })).toMatchObject([
    { field: 'after[1]' },
  ]);
  expect(await fault({ after: [job, job] })).toMatchObject([{ field: 'after[1]' }]);
  await jobs.cancel(job);
  expect(await fault({ after: [job] })).toMatchObject([
    { field: 'after[0]', message: expect.stringContaining('was cancelled') },
  ]);
});

it('accepts a job at once that waits for another, and finds it by its status', async () => {
  const { jobs } = service.client;
  const earlier = await jobs.create(smallJob('digits'));
  const job = await jobs.create({ ...smallJob('digits', 'patient'), after: [earlier.id] });
  expect(job).toMatchObject({
    status: 'waiting',
    waitsFor: [{ jobId: earlier.id, runId: null, met: false }],
  });
  expect((await jobs.list({ status: 'waiting' })).items.map(({ id }) => id)).toEqual([job.id]);
  expect(await jobs.cancel(job.id)).toMatchObject({ status: 'cancelled' });
});

it('makes the runs of a matrix, and says what is wrong with it in fields of the matrix', async () => {
  const { jobs } = service.client;
  const job = await jobs.create({ ...smallJob('digits'), matrix: { seed: [1, 2], dataRatio: [0.5, 1] } });
  expect(job.runs.map(({ name }) => name)).toEqual([
    'only seed=1 ratio=0.5',
    'only seed=1 ratio=1',
    'only seed=2 ratio=0.5',
    'only seed=2 ratio=1',
  ]);
  const many = { seed: [...Array(65).keys()] };
  expect(await refusal(jobs.create({ ...smallJob('digits'), matrix: many }))).toMatchObject({
    errors: [{ field: 'matrix', message: expect.stringContaining('makes 65 runs') }],
  });
  const answers = await collect(
    jobs.createMany([
      { ...smallJob('digits'), matrix: { seed: [3, 4] } },
      { ...smallJob('digits'), matrix: { batchSize: [8, 4096] } },
    ]),
  );
  expect(answers).toMatchObject([
    { status: 202, job: { runs: [{ name: 'only seed=3' }, { name: 'only seed=4' }] } },
    { status: 400, problem: { errors: [{ field: 'matrix.batchSize[1]' }] } },
  ]);
});
