/** Jobs that wait for others, through the whole service: a model is the prior of the next job, submitted before there is a model. */
import type { Job } from '@rela/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rela } from '../rela.js';
import { addShapes, shortRun, startService, type TestService } from '../service.js';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await addShapes(service, 'shapes', 192);
});
afterAll(() => service?.close());

type JobInput = Parameters<TestService['client']['jobs']['create']>[0];

const short = (name: string, more: object = {}) =>
  shortRun(name, { epochs: 1, evaluation: { probe: { epochs: 1 } }, ...more });
const submit = (more: Partial<JobInput>) => service.client.jobs.create({ dataset: 'shapes', ...more });

it('trains with the model of a job that had not begun, and a third with what comes of that', async () => {
  const { client } = service;
  const first = await submit({ name: 'first', runs: [short('teacher')] });
  const second = await submit({
    prior: { job: first.id, run: 'teacher' },
    runs: [short('student', { rela: {} }), short('control', { seed: 6 })],
  });
  const student = second.runs[0]!.id;
  const third = await submit({
    prior: { run: student, name: 'grown' },
    after: [second.id],
    runs: [short('grandchild', { rela: {}, seed: 7 })],
  });
  expect([second.status, third.status]).toEqual(['waiting', 'waiting']);
  expect(third.waitsFor).toEqual([
    { jobId: second.id, runId: student, met: false },
    { jobId: second.id, runId: null, met: false },
  ]);
  const shown = await rela('--url', service.url, 'jobs', 'show', third.id);
  expect(shown.stdout).toContain(`${student} of ${second.id}, ${second.id}`);

  const ended: Job[] = [];
  for (const { id } of [first, second, third]) ended.push(await client.jobs.wait(id));
  for (const job of ended) expect(job).toMatchObject({ status: 'succeeded', error: null });
  const [, middle, last] = ended;
  expect(middle!.stages.map(({ kind }) => kind)).toEqual([
    ...['adopt', 'appraise', 'embed', 'reduce', 'train', 'evaluate', 'train', 'evaluate'],
  ]);
  const teacher = await client.runs.get(first.runs[0]!.id);
  const prior = await client.priors.get(middle!.priorId!);
  expect(prior).toMatchObject({
    name: `teacher ${teacher.id}`,
    source: { kind: 'model', digest: teacher.result!.model },
  });
  expect((await client.priors.get('grown')).id).toBe(last!.priorId);
  // It is the prior that POST /v1/priors makes of that model.
  const byHand = await client.priors.create({
    name: 'by hand',
    source: { kind: 'model', digest: teacher.result!.model! },
  });
  expect(byHand.digest).toBe(prior.digest);
  expect(Date.parse(middle!.startedAt!)).toBeGreaterThanOrEqual(Date.parse(teacher.endedAt!));
  expect(Date.parse(last!.startedAt!)).toBeGreaterThanOrEqual(Date.parse(middle!.endedAt!));
  expect((await client.runs.get(student)).result!.priorSeconds).toBeGreaterThan(0);
});

it('fails with the run that it needs, and says which; so does what comes after it', async () => {
  const { client } = service;
  const first = await submit({
    ...{ runs: [short('teacher', { seed: 8 })], limits: { attempts: 1, attemptSeconds: 0.001 } },
  });
  const [run] = first.runs;
  const second = await submit({ prior: { run: run!.id }, runs: [short('student', { rela: {} })] });
  const third = await submit({ after: [second.id], runs: [short('other', { seed: 9 })] });
  expect(await client.jobs.wait(second.id)).toMatchObject({
    status: 'failed',
    error: expect.stringContaining(
      `Run "teacher" (${run!.id}) of job ${first.id}, whose model is its prior, failed.`,
    ),
    runs: [{ status: 'failed' }],
  });
  expect(await client.jobs.wait(third.id)).toMatchObject({
    status: 'failed',
    error: expect.stringContaining(`Job ${second.id}, which it comes after, failed.`),
  });
  // What has failed is not waited for.
  await expect(
    submit({ prior: { run: run!.id }, runs: [short('late', { rela: {} })] }),
  ).rejects.toMatchObject({
    problem: { errors: [{ field: 'prior.run', message: expect.stringContaining('has failed') }] },
  });
});
