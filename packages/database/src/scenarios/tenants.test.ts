/** What one tenant has is nowhere to be found by another one. */
import { DEFAULT_TENANT, type Job } from '@rela/contracts';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TenantDatabase } from '../database.js';
import { digestOfSecret } from '../repositories/api-keys.js';
import {
  addDataset,
  claimOf,
  complete,
  digestOf,
  exampleManifest,
  examplePlan,
  examplePrior,
  resultOf,
  stageOf,
} from '../testing/examples.js';
import { useScratch } from '../testing/scratch.js';

const scratch = useScratch();
let own: TenantDatabase;
let other: TenantDatabase;
let job: Job;

const page = { limit: 200 };

beforeAll(async () => {
  const { database } = scratch;
  own = database.of((await database.tenants.create('vision')).id);
  other = database.of((await database.tenants.create('speech')).id);
  job = await own.jobs.create(await examplePlan(own));
  await complete(database, job, ['embed-0', 'embed-1', 'reduce', 'train-0', 'evaluate-0']);
});

describe('a tenant', () => {
  it('finds what it made, and another finds none of it', async () => {
    const [run] = job.runs;
    for (const [sees, tenant] of [
      [true, own],
      [false, other],
    ] as const) {
      expect((await tenant.jobs.get(job.id)) !== null).toBe(sees);
      expect((await tenant.datasets.get(job.datasetId)) !== null).toBe(sees);
      expect((await tenant.priors.find(examplePrior.name)) !== null).toBe(sees);
      expect((await tenant.priors.find(examplePrior.digest)) !== null).toBe(sees);
      expect((await tenant.runs.get(run!.id)) !== null).toBe(sees);
      expect((await tenant.runs.training(run!.id)) !== null).toBe(sees);
      expect((await tenant.models.get(digestOf('trained'))) !== null).toBe(sees);
      expect((await tenant.artifacts.access(digestOf('targets'))) !== null).toBe(sees);
      expect((await tenant.artifacts.get(digestOf('weights'))) !== null).toBe(sees);
      for (const list of [
        tenant.jobs.list(page),
        tenant.datasets.list(page),
        tenant.priors.list(page),
        tenant.stages.page(job.id, page),
        tenant.targets.list(page),
      ])
        expect((await list).items.length > 0).toBe(sees);
      expect((await tenant.events.list(job.id, 0, 10)).length > 0).toBe(sees);
      expect((await tenant.datasets.names()).length > 0).toBe(sees);
    }
  });

  it('changes nothing of another, and is told that there is no such thing', async () => {
    const running = await own.jobs.create(await examplePlan(own));
    for (const verb of ['cancel', 'pause', 'resume', 'retry'] as const)
      await expect(other.jobs[verb](running.id)).rejects.toMatchObject({ code: 'not-found' });
    await expect(other.datasets.retry(job.datasetId)).rejects.toMatchObject({ code: 'not-found' });
    expect(await own.jobs.get(running.id)).toMatchObject({ status: 'queued' });
  });

  it('may use a name, a digest and an Idempotency-Key that another uses', async () => {
    const [mine, theirs] = [await own.priors.create(examplePrior), await other.priors.create(examplePrior)];
    expect(mine.id).not.toBe(theirs.id);
    const request = { key: 'nightly', route: 'POST /v1/jobs', requestDigest: 'a' };
    expect(await own.idempotency.begin(request)).toMatchObject({ state: 'new' });
    expect(await other.idempotency.begin({ ...request, requestDigest: 'b' })).toMatchObject({ state: 'new' });
    expect(await own.idempotency.begin(request)).toMatchObject({ state: 'in-progress' });
  });

  it('takes its own earlier results alone: of those of another it does not even learn that they exist', async () => {
    const { database } = scratch;
    const again = async (tenant: TenantDatabase) => {
      const plan = await examplePlan(tenant, { salt: 'same', reuse: true });
      return tenant.jobs.create(plan);
    };
    await complete(database, await again(own), ['embed-0']);
    const reusing = await claimOf(database, await stageOf(database, await again(own), 'embed-0'));
    expect(reusing.existing).toEqual(resultOf('embed'));
    const foreign = await claimOf(database, await stageOf(database, await again(other), 'embed-0'));
    expect(foreign.existing).toBeNull();
  });

  it('may read the members of a list that the service made for it, once it has read the list', async () => {
    const { database } = scratch;
    const { dataset, stageId } = await addDataset(own, 'listed');
    const claim = await claimOf(database, (await database.stages.get(stageId))!);
    await database.stages.succeed(claim, resultOf('ingest'), { facts: { manifest: exampleManifest } });
    const { digest } = (await own.datasets.get(dataset.id))!;
    const shard = digestOf('shard of the list');
    expect(await own.artifacts.access(shard)).toBeNull();
    expect(await own.artifacts.access(digest!)).toEqual({ isUnreadList: true });
    await own.artifacts.grantMembers(digest!, [shard]);
    expect(await own.artifacts.access(digest!)).toEqual({ isUnreadList: false });
    expect(await own.artifacts.access(shard)).toEqual({ isUnreadList: false });
    expect(await other.artifacts.access(shard)).toBeNull();
  });

  it('is given what its attempt made, and not what one made that was replaced and ends at the same moment', async () => {
    const { database } = scratch;
    const again = await own.jobs.create(await examplePlan(own, { shards: 1 }));
    await complete(database, again, ['embed-0']);
    const old = await claimOf(database, await stageOf(database, again, 'reduce'));
    await database.stages.release(old);
    const next = await claimOf(database, await stageOf(database, again, 'reduce'));
    const made = (name: string) => ({ ...resultOf('reduce'), targets: digestOf(name) });
    const ends = [
      database.stages.succeed(next, made('kept')),
      database.stages.succeed(old, made('replaced')),
    ];
    expect(await Promise.all(ends)).toEqual([true, false]);
    expect(await own.artifacts.access(digestOf('kept'))).toEqual({ isUnreadList: true });
    expect(await own.artifacts.access(digestOf('replaced'))).toBeNull();
  });

  it('does not make a list of what it uploads', async () => {
    const digest = digestOf('a list by somebody else');
    await other.artifacts.record({ digest, bytes: 10, mediaType: 'application/json' });
    expect(await other.artifacts.access(digest)).toEqual({ isUnreadList: false });
  });

  it('has a name of its own', async () => {
    await expect(scratch.database.tenants.create('vision')).rejects.toMatchObject({ code: 'conflict' });
    expect(await scratch.database.tenants.find('default')).toMatchObject(DEFAULT_TENANT);
  });
});

describe('an API key', () => {
  it('is known by its secret, which is not kept', async () => {
    const { secret, ...key } = await own.apiKeys.create({ name: 'ci', scope: 'submit' });
    expect(secret).toMatch(/^rela_[\w-]{43}$/);
    expect(secret.startsWith(key.hint)).toBe(true);
    const identity = await scratch.database.apiKeys.identify(digestOfSecret(secret));
    expect(identity).toMatchObject({ keyId: key.id, scope: 'submit', expiresAt: null });
    const { items } = await own.apiKeys.list(page);
    expect(JSON.stringify(items)).not.toContain(secret);
    expect(items.find(({ id }) => id === key.id)?.lastUsedAt).not.toBeNull();
  });

  it('is refused when it has expired or was revoked, and those who keep it in memory hear of that', async () => {
    const past = new Date(Date.now() - 1000).toISOString();
    const expired = await own.apiKeys.create({ name: 'old', scope: 'read', expiresAt: past });
    expect(await scratch.database.apiKeys.identify(digestOfSecret(expired.secret))).toBeNull();
    const { id, secret } = await own.apiKeys.create({ name: 'stolen', scope: 'admin' });
    const heard: (string | null)[] = [];
    const listening = await scratch.database.apiKeys.listen((digest) => heard.push(digest));
    await own.apiKeys.revoke(id);
    expect(await scratch.database.apiKeys.identify(digestOfSecret(secret))).toBeNull();
    await expect.poll(() => heard).toEqual([digestOfSecret(secret)]);
    await listening.close();
  });

  it('is rotated without a moment in which neither secret is accepted', async () => {
    const { identify } = scratch.database.apiKeys;
    const old = await own.apiKeys.create({ name: 'platform', scope: 'submit' });
    const next = await own.apiKeys.rotate(old.id, { graceSeconds: 60 });
    expect(next).toMatchObject({ name: 'platform', scope: 'submit', expiresAt: null });
    expect(await identify(digestOfSecret(old.secret))).toMatchObject({ keyId: old.id });
    expect(await identify(digestOfSecret(next.secret))).toMatchObject({ keyId: next.id });
    const last = await own.apiKeys.rotate(next.id, { graceSeconds: 0 });
    expect(await identify(digestOfSecret(next.secret))).toBeNull();
    expect(await identify(digestOfSecret(last.secret))).not.toBeNull();
    await expect(own.apiKeys.rotate(next.id, { graceSeconds: 0 })).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it('is of one tenant: another neither lists, revokes nor rotates it', async () => {
    const { id } = await own.apiKeys.create({ name: 'mine', scope: 'read' });
    expect((await other.apiKeys.list(page)).items).toEqual([]);
    await expect(other.apiKeys.revoke(id)).rejects.toMatchObject({ code: 'not-found' });
    await expect(other.apiKeys.rotate(id, { graceSeconds: 0 })).rejects.toMatchObject({ code: 'not-found' });
    expect((await own.apiKeys.get(id)).revokedAt).toBeNull();
  });
});
