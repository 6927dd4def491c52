/** Who goes next, and who has to wait: shares, priorities and quotas, as the relay and the workers meet them. */
import type { Job } from '@rela/contracts';
import { expect, it } from 'vitest';
import type { TenantDatabase } from '../database.js';
import type { OutboxMessage } from '../repositories/outbox.js';
import { claimOf, complete, examplePlan, type PlanOptions, stageOf } from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
let tenants = 0;

async function addTenant(limits = {}): Promise<TenantDatabase & { id: string }> {
  const { tenants: all, of } = scratch.database;
  const { id } = await all.create(`tenant-${tenants++}`);
  await all.limit(id, limits);
  return { ...of(id), id };
}

/** Jobs whose first stages are `shards` embed stages each. */
async function submit(tenant: TenantDatabase, count: number, options: PlanOptions = {}): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let index = 0; index < count; index++)
    jobs.push(await tenant.jobs.create(await examplePlan(tenant, { shards: 1, ...options })));
  return jobs;
}

/** What the relay does in one round. */
async function send(): Promise<OutboxMessage[]> {
  const { outbox } = scratch.database;
  const messages = await outbox.take(10_000);
  await outbox.markSent(messages.map(({ id }) => id));
  return messages.filter(({ kind }) => kind === 'embed' || kind === 'train');
}

/** The jobs of embed messages, as a queue gives them: by priority, equal ones in the order of sending. */
async function orderOf(messages: OutboxMessage[]): Promise<(string | null)[]> {
  const queue = messages
    .filter(({ kind }) => kind === 'embed')
    .map((message, index) => ({ ...message, index }))
    .sort((a, b) => a.priority - b.priority || a.index - b.index);
  const jobs: (string | null)[] = [];
  for (const { stageId } of queue) jobs.push((await scratch.database.stages.get(stageId))?.jobId ?? null);
  return jobs;
}

/** Ends everything that is under way, so that the next test finds an empty queue. */
async function cancelAll(jobs: Job[]): Promise<void> {
  for (const { id } of jobs) await scratch.database.jobs.cancel(id);
  for (const { id } of jobs)
    for (const stage of await scratch.database.stages.listByJob(id))
      if (stage.status === 'running')
        await scratch.database.stages.release({ stageId: stage.id, fence: stage.fence });
}

it('lets the first job of a tenant pass all of a tenant that has hundreds waiting', async () => {
  const [busy, other] = [await addTenant(), await addTenant()];
  const many = await submit(busy, 300);
  const before = await send();
  expect(before.length).toBeGreaterThan(0);
  // Not all of them: the rest waits in the database.
  expect(before.length).toBeLessThan(300);
  const [one] = await submit(other, 1);
  const later = await send();
  const queue = await orderOf([...before, ...later]);
  // The first of the busy tenant was there before it, and nothing else is.
  expect(queue.indexOf(one!.id)).toBeLessThanOrEqual(1);
  await cancelAll([...many, one!]);
});

it('gives tenants that are both busy turns, in proportion to their shares', async () => {
  const [small, large] = [await addTenant(), await addTenant({ share: 3 })];
  const jobs = [...(await submit(small, 40)), ...(await submit(large, 40))];
  const queue = await orderOf(await send());
  const ofLarge = new Set(jobs.slice(40).map(({ id }) => id));
  const first = queue.slice(0, 20).filter((id) => ofLarge.has(id ?? '')).length;
  expect(first).toBeGreaterThanOrEqual(14);
  expect(first).toBeLessThanOrEqual(16);
  await cancelAll(jobs);
});

it('sends the more urgent jobs of a tenant first, also past what is in the queue already, and no other tenant waits for them', async () => {
  const [tenant, other] = [await addTenant(), await addTenant()];
  const usual = await submit(tenant, 10);
  const before = await send();
  const [urgent] = await submit(tenant, 1, { priority: 50 });
  const [late] = await submit(tenant, 1, { priority: -50 });
  const theirs = await submit(other, 2);
  const queue = await orderOf([...before, ...(await send())]);
  expect(queue.indexOf(urgent!.id)).toBeLessThanOrEqual(3);
  expect(queue.at(-1)).toBe(late!.id);
  for (const { id } of theirs) expect(queue.indexOf(id)).toBeLessThanOrEqual(5);
  await cancelAll([...usual, urgent!, late!, ...theirs]);
});

it('sends no more trainings of a tenant than it may run at once, and the next when one has ended', async () => {
  const tenant = await addTenant({ runningRuns: 2 });
  const [job] = await submit(tenant, 1, { runs: 4 });
  await complete(scratch.database, job!, ['embed-0', 'reduce']);
  const trainings = async () => (await send()).filter(({ kind }) => kind === 'train');
  const first = await trainings();
  expect(first).toHaveLength(2);
  expect(await trainings()).toHaveLength(0);
  const started = await claimOf(scratch.database, (await scratch.database.stages.get(first[0]!.stageId))!);
  expect(await trainings()).toHaveLength(0);
  expect((await tenant.quotas.usage()).runningRuns).toBe(1);
  await scratch.database.stages.fail(started, { error: 'x', retryable: false, maxAttempts: 1 });
  expect(await trainings()).toHaveLength(1);
  await cancelAll([job!]);
});

it('counts the seconds of every attempt by the device of its worker, and sends nothing of a tenant that has used its day up', async () => {
  const tenant = await addTenant({ gpuSecondsPerDay: 0.05 });
  const [job] = await submit(tenant, 1, { shards: 3 });
  expect(await send()).toHaveLength(3);
  const { id: stageId, dispatch } = await stageOf(scratch.database, job!, 'embed-0');
  const request = { stageId, dispatch, worker: 'w', leaseSeconds: 60, device: 'gpu' as const };
  const claim = (await scratch.database.stages.claim(request))!;
  await expect.poll(() => Date.now() - Date.parse(job!.createdAt)).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  // An attempt that is handed back counts as well: it has held the worker.
  await scratch.database.stages.release(claim);
  const usage = await tenant.quotas.usage();
  expect(usage.gpuSecondsToday).toBeGreaterThanOrEqual(0.1);
  expect(usage.cpuSecondsToday).toBe(0);
  expect(await send()).toEqual([]);
  await scratch.database.tenants.limit(tenant.id, {});
  expect(await send()).toHaveLength(1);
  await cancelAll([job!]);
});

it('accepts no more jobs than a tenant may have open, also when they come at once', async () => {
  const limits = { queuedJobs: 3 };
  const tenant = await addTenant(limits);
  const plans = await Promise.all(Array.from({ length: 6 }, () => examplePlan(tenant, { shards: 1 })));
  const answers = await Promise.allSettled(
    plans.map((plan) =>
      tenant.transaction(async (tx) => {
        await tenant.quotas.assertJobs(limits, tx);
        return tenant.jobs.create(plan, tx);
      }),
    ),
  );
  const accepted = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  expect(accepted).toHaveLength(3);
  for (const answer of answers)
    if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'quota-exceeded' });
  await cancelAll(accepted);
  await tenant.transaction((tx) => tenant.quotas.assertJobs(limits, tx));
});

it('refuses what would take a tenant over its storage, and says how much it has', async () => {
  const tenant = await addTenant();
  await tenant.artifacts.record({ digest: `sha256:${'1'.repeat(64)}`, bytes: 900, mediaType: 'image/png' });
  await tenant.quotas.assertStorage({ storageBytes: 1000 }, 100);
  await expect(tenant.quotas.assertStorage({ storageBytes: 1000 }, 101)).rejects.toThrow('has 900 bytes');
  expect((await tenant.quotas.usage()).storageBytes).toBe(900);
});
