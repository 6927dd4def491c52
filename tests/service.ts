/** Starts the whole service as `rela up` does, in a folder of its own, and takes it down again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Service, startAll } from '@rela/cli';
import { type JobInput, RelaClient } from '@rela/sdk';
import { writeShapes } from './shapes.js';

export interface TestService {
  client: RelaClient;
  url: string;
  folder: string;
  service: Service;
  close(): Promise<void>;
}

export async function startService(environment: Record<string, string> = {}): Promise<TestService> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-test-'));
  const service = await startAll({
    home: join(folder, 'home'),
    port: 0,
    environment: { LOG_LEVEL: 'warn', THREADS: '1', ...environment },
  });
  return {
    service,
    folder,
    url: service.url,
    client: new RelaClient({ baseUrl: service.url }),
    async close() {
      await service.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Registers the drawn shapes and waits until they are ready. */
export async function addShapes({ client, folder }: TestService, name: string, count = 256): Promise<void> {
  const train = await writeShapes(join(folder, name, 'train'), { count, seed: 1 });
  const test = await writeShapes(join(folder, name, 'test'), { count: 128, seed: 2 });
  const { id } = await client.datasets.create({ name, source: { kind: 'idx', train, test }, shardSize: 64 });
  await client.datasets.waitUntilReady(id);
}

export async function addRandomPrior({ client }: TestService, name: string): Promise<void> {
  await client.priors.create({
    name,
    source: { kind: 'random', backbone: { name: 'resnet18-narrow' }, imageSize: 16, channels: 1, seed: 3 },
  });
}

export type RunInput = NonNullable<JobInput['runs']>[number];

/** A short run on the shapes: a few seconds on two processors. The stem that halves images makes a step half as long. */
export function shortRun(name: string, overrides: Partial<RunInput> = {}): RunInput {
  return {
    name,
    method: { name: 'byol' },
    backbone: { name: 'resnet18-narrow', stem: 'standard' },
    epochs: 2,
    batchSize: 32,
    seed: 5,
    evaluation: { probe: { epochs: 5 } },
    ...overrides,
  };
}
