/** For tests: does a worker's part by way of the repositories, so that data sets get ready and jobs get on. */
import type { Dataset, DatasetManifest, StageResult } from '@rela/contracts';
import type { JobInput } from '@rela/sdk';
import type { TestService } from './service.js';

const worker = { worker: 'test', leaseSeconds: 60 };

type Service = Pick<TestService, 'client' | 'database' | 'store'>;
type Claim = NonNullable<Awaited<ReturnType<TestService['database']['stages']['claim']>>>;

export const manifest: DatasetManifest = {
  version: 1,
  classes: ['round', 'square'],
  channels: 1,
  imageSize: { height: 16, width: 16 },
  mean: [0.5],
  std: [0.25],
  splits: {
    train: { count: 64, shards: [{ digest: `sha256:${'a'.repeat(64)}`, count: 64, bytes: 64 * 256 }] },
    test: null,
  },
};

/** Claims what the outbox names for this dataset or job. */
async function claims(service: Service, owner: (claim: Claim) => boolean): Promise<Claim[]> {
  const { outbox, stages } = service.database;
  const found: Claim[] = [];
  for (const message of await outbox.take(100)) {
    const claim = await stages.claim({ ...worker, stageId: message.stageId, dispatch: message.dispatch });
    if (claim && owner(claim)) found.push(claim);
    await outbox.markSent([message.id]);
  }
  return found;
}

export async function addReadyDataset(service: Service, name: string, of = manifest): Promise<Dataset> {
  const { client, database, store } = service;
  const { id } = await client.datasets.create({ name, source: { kind: 'recipe', recipe: 'mnist' } });
  const { digest, bytes } = await store.write(new TextEncoder().encode(JSON.stringify(of)));
  const undecodable = { count: 0, examples: [] };
  const result: StageResult = { kind: 'ingest', manifest: digest, bytes, undecodable, seconds: 0.1 };
  for (const claim of await claims(service, ({ input }) => input.kind === 'ingest'))
    await database.stages.succeed(claim, result, { facts: { manifest: of } });
  return client.datasets.get(id);
}

/** One short supervised run; it needs no prior. */
export function smallJob(dataset: string, name = 'small'): JobInput {
  return { name, dataset, runs: [{ name: 'only', method: { name: 'supervised' }, epochs: 1, batchSize: 8 }] };
}

export async function claimStages(service: Service, jobId: string): Promise<Claim[]> {
  return claims(service, (claim) => claim.jobId === jobId);
}

/** Ends every stage of the job; the model of its runs is `model`. */
export async function workOff(service: Service, jobId: string, model: Uint8Array): Promise<void> {
  const { database, store } = service;
  const { digest, bytes } = await store.write(model);
  for (;;) {
    const claimed = await claimStages(service, jobId);
    if (claimed.length === 0) return;
    for (const claim of claimed) await database.stages.succeed(claim, resultOf(claim, digest, bytes));
  }
}

function resultOf(claim: Claim, model: string, modelBytes: number): StageResult {
  if (claim.input.kind === 'train')
    return {
      ...{ kind: 'train', model, modelBytes, width: 128, weights: model, weightsBytes: modelBytes },
      ...{ seconds: 1.5, steps: 8 },
      ...{ switchStep: null, flops: 1e9, finalLoss: 0.5, waitShare: 0, engine: 'test', kernels: {} },
    };
  if (claim.input.kind === 'evaluate')
    return { kind: 'evaluate', accuracy: 0.75, accuracyStd: 0.01, knn: 0.7, seconds: 0.5 };
  throw new Error(`No result for a stage of kind ${claim.input.kind}.`);
}
