/** What dies in the middle is made up for: nothing is lost, and the model is that of an unbroken run. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@rela/contracts';
import { createRandom } from '@rela/random';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { childrenOf } from '../processes.js';
import { addShapes, shortRun, startService, type TestService } from '../service.js';

let service: TestService;
let unbroken: string;
const ENVIRONMENT = { CHECKPOINT_SECONDS: '0.5', LEASE_SECONDS: '4' };
const runs = [shortRun('a', { epochs: 8 })];

beforeAll(async () => {
  service = await startService(ENVIRONMENT);
  await addShapes(service, 'shapes');
  unbroken = await modelOf(await finish(await submit()));
});
afterAll(() => service?.close());

const submit = () => service.client.jobs.create({ dataset: 'shapes', runs, reuse: false });
const finish = ({ id }: Job) => service.client.jobs.wait(id);

async function modelOf(job: Job): Promise<string> {
  expect(job.error).toBeNull();
  expect(job.status).toBe('succeeded');
  return (await service.client.runs.get(job.runs[0]!.id)).result!.model!;
}

/** Waits until the job's run has a checkpoint and is still at work. */
async function untilCheckpoint(job: Job): Promise<void> {
  for (let look = 0; look < 600; look++) {
    const run = await service.client.runs.get(job.runs[0]!.id);
    if (run.checkpoint) return;
    await sleep(100);
  }
  throw new Error('The run wrote no checkpoint within a minute.');
}

/** Waits until the paused job has no stage under way. */
async function untilNothingRuns(job: Job): Promise<void> {
  for (let look = 0; look < 600; look++) {
    const { items } = await service.client.jobs.stages(job.id);
    if (!items.some(({ status }) => status === 'running')) return;
    await sleep(100);
  }
  throw new Error('The job ran on for a minute after it was paused.');
}

const pidOf = (name: string) => service.service.children.find((child) => child.name === name)!.pid!;

async function metricsAreWhole(job: Job): Promise<void> {
  const steps: number[] = [];
  for await (const { step } of service.client.runs.allMetrics(job.runs[0]!.id)) steps.push(step);
  expect(steps).toEqual(Array.from({ length: 64 }, (_, index) => index + 1));
}

it('a training process that is killed goes on from its checkpoint and gives the same model', async () => {
  const job = await submit();
  await untilCheckpoint(job);
  for (const pid of childrenOf(pidOf('train-worker'))) process.kill(pid, 'SIGKILL');
  expect(await modelOf(await finish(job))).toBe(unbroken);
  await metricsAreWhole(job);
});

it('a train worker that is killed is replaced, and the run goes on from its checkpoint', async () => {
  const job = await submit();
  await untilCheckpoint(job);
  process.kill(pidOf('train-worker'), 'SIGKILL');
  expect(await modelOf(await finish(job))).toBe(unbroken);
  await metricsAreWhole(job);
});

it('a database that is restarted in the middle stops nothing for good', async () => {
  const job = await submit();
  await untilCheckpoint(job);
  process.kill((await service.service.databasePid())!, 'SIGINT');
  await sleep(500);
  expect(await modelOf(await finish(job))).toBe(unbroken);
  await metricsAreWhole(job);
});

it('a job that is cancelled leaves no training process and nothing half written, and can be sent again', async () => {
  const job = await submit();
  await untilCheckpoint(job);
  await service.client.jobs.cancel(job.id);
  expect((await finish(job)).status).toBe('cancelled');
  expect(childrenOf(pidOf('train-worker'))).toEqual([]);
  expect(await readdir(join(service.folder, 'home', 'artifacts', 'incoming'))).toEqual([]);
  expect(await modelOf(await finish(await service.client.jobs.retry(job.id)))).toBe(unbroken);
  await metricsAreWhole(job);
});

it('a job that is paused at random moments gives the same model, and trains nothing while it is paused', async () => {
  const random = createRandom(7, 'moments');
  const job = await submit();
  for (let pause = 0; pause < 4; pause++) {
    await sleep(3000 * random.next());
    const { status } = await service.client.jobs.get(job.id);
    if (status === 'succeeded') break;
    await service.client.jobs.pause(job.id);
    await untilNothingRuns(job);
    expect(childrenOf(pidOf('train-worker'))).toEqual([]);
    await service.client.jobs.resume(job.id);
  }
  expect(await modelOf(await finish(job))).toBe(unbroken);
  await metricsAreWhole(job);
});
