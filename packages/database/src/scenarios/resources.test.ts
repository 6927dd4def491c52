import { expect, it } from 'vitest';
import {
  addDataset,
  claimOf,
  digestOf,
  exampleManifest,
  examplePrior,
  resultOf,
} from '../testing/examples.js';
import { type Scratch, useScratch } from '../testing/scratch.js';

const scratch = useScratch();

async function ingest({ database }: Scratch, name: string) {
  const { dataset, stageId } = await addDataset(database, name);
  const stage = (await database.stages.get(stageId))!;
  return { dataset, stage, claim: await claimOf(database, stage) };
}

it('makes a dataset ready with what its manifest says', async () => {
  const { database } = scratch;
  const { dataset, claim } = await ingest(scratch, 'pets');
  expect(dataset.status).toBe('queued');
  expect((await database.datasets.get(dataset.id))?.status).toBe('running');
  await expect(database.stages.succeed(claim, resultOf('ingest'))).rejects.toThrow('manifest');
  const facts = { manifest: exampleManifest };
  expect(await database.stages.succeed(claim, resultOf('ingest'), { facts })).toBe(true);
  expect(await database.datasets.get(dataset.id)).toMatchObject({
    ...{ status: 'ready', digest: digestOf('manifest'), train: 60, test: 10, bytes: 4096, channels: 1 },
    ...{ classes: ['cat', 'dog'], imageSize: { height: 28, width: 28 }, error: null },
    undecodable: { count: 1, examples: [{ name: 'a.png', reason: 'not an image' }] },
  });
  expect(await database.datasets.manifestDigest(dataset.id)).toBe(digestOf('manifest'));
});

it('tells how far the reading of a dataset is, while it is read', async () => {
  const { database } = scratch;
  const { dataset, claim } = await ingest(scratch, 'read');
  const progress = { done: 10, total: 70, unit: 'images', rate: 20, secondsLeft: 3 };
  await database.stages.heartbeat(claim, { leaseSeconds: 60, progress });
  expect((await database.datasets.get(dataset.id))?.progress).toEqual(progress);
  const listed = (await database.datasets.list({ limit: 200 })).items.find(({ id }) => id === dataset.id);
  expect(listed?.progress).toEqual(progress);
  await database.stages.succeed(claim, resultOf('ingest'), { facts: { manifest: exampleManifest } });
  expect((await database.datasets.get(dataset.id))?.progress).toBeNull();
});

it('queues a dataset again after a passing fault and fails it after one that stays', async () => {
  const { database } = scratch;
  const { dataset, claim } = await ingest(scratch, 'broken');
  await database.stages.fail(claim, { error: 'disk full', retryable: true, maxAttempts: 5 });
  expect((await database.datasets.get(dataset.id))?.status).toBe('queued');
  const again = await claimOf(database, (await database.stages.get(claim.stageId))!);
  await database.stages.fail(again, { error: 'no images there', retryable: false, maxAttempts: 5 });
  expect(await database.datasets.get(dataset.id)).toMatchObject({
    status: 'failed',
    error: 'no images there',
  });
});

it('finds a dataset by id, by digest, and by name: the newest that is ready, else the newest', async () => {
  const { database } = scratch;
  const { dataset: first, claim } = await ingest(scratch, 'twice');
  const { dataset: second } = await addDataset(database, 'twice');
  expect((await database.datasets.find('twice'))?.id).toBe(second.id);
  const result = { ...resultOf('ingest'), manifest: digestOf('twice') };
  await database.stages.succeed(claim, result, { facts: { manifest: exampleManifest } });
  expect((await database.datasets.find('twice'))?.id).toBe(first.id);
  expect((await database.datasets.find(digestOf('twice')))?.id).toBe(first.id);
  expect((await database.datasets.find(second.id))?.id).toBe(second.id);
  expect(await database.datasets.find('nobody')).toBeNull();
  expect(await database.datasets.names()).toContain('twice');
});

it('registers a prior of equal digest and name once, however often and at once it is asked', async () => {
  const { database } = scratch;
  const priors = await Promise.all([1, 2, 3, 4].map(() => database.priors.create(examplePrior)));
  expect(new Set(priors.map((prior) => prior.id)).size).toBe(1);
  const renamed = await database.priors.create({ ...examplePrior, name: 'renamed' });
  expect(renamed.id).not.toBe(priors[0]?.id);
  expect(await database.priors.get(renamed.id)).toEqual(renamed);
  expect((await database.priors.find(examplePrior.digest))?.id).toBe(renamed.id);
  expect((await database.priors.find('digits'))?.id).toBe(priors[0]?.id);
  expect((await database.priors.list({ limit: 10 })).items.map((prior) => prior.name)).toEqual([
    'renamed',
    'digits',
  ]);
});

it('knows an artifact by its first record', async () => {
  const { database } = scratch;
  const digest = digestOf('artifact');
  const first = await database.artifacts.record({ digest, bytes: 5_000_000_000, mediaType: 'a/b' });
  expect(await database.artifacts.record({ digest, bytes: 5_000_000_000, mediaType: 'c/d' })).toEqual(first);
  expect(await database.artifacts.get(digest)).toMatchObject({ bytes: 5_000_000_000, mediaType: 'a/b' });
  expect(await database.artifacts.get(digestOf('nothing'))).toBeNull();
  expect(await database.models.get(digestOf('nothing'))).toBeNull();
});
