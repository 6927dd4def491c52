/** What the chaos looks for is seen where it is there: each promise is broken once, by hand. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Claim,
  type Database,
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  startEmbeddedPostgres,
} from '@rela/database';
import { openStore } from '@rela/storage';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** By address: they are plain JavaScript, which is not checked with the tests. */
const chaos = (file: string) => import(new URL(`../chaos/${file}`, import.meta.url).href);
const { artifactsAreThere, leftBehind } = await chaos('invariants.mjs');
const { openWitness } = await chaos('witness.mjs');

const A = 'train-worker-1';
const B = 'train-worker-2';
const PROGRAMS: Record<string, string> = { 'host:1': A, 'host:2': B };

let folder: string;
let postgres: EmbeddedPostgres;
let database: Database;
let witness: Awaited<ReturnType<typeof openWitness>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-witness-'));
  postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  await migrate(postgres.url);
  database = await openDatabase(postgres.url);
  witness = await openWitness(postgres.url);
});
afterAll(async () => {
  await database?.close();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

const urlOf = (program: string) => `${postgres.url}?application_name=${program}`;

/** Works at the database as the process of a program does. */
async function as<T>(program: string, work: (database: Database) => Promise<T>): Promise<T> {
  const own = await openDatabase(urlOf(program), { connections: 1 });
  return work(own).finally(own.close);
}

/** One statement past all of the product's own care. */
async function forced(program: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: urlOf(program) });
  await client.connect();
  await client.query(statement);
  await client.end();
}

const seen = () => witness.strangers((worker: string | null) => PROGRAMS[worker ?? ''], new Set([A, B]));

/** A stage that A lost to B. */
async function takenOver(): Promise<{ lost: Claim; held: Claim }> {
  const { stageId } = await database.datasets.create({
    ...{ name: 'some', source: { kind: 'folder', path: '/nowhere' }, tolerance: 0, shardSize: 1 },
  });
  const claimed = async (program: string, worker: string, leaseSeconds: number) => {
    const { dispatch } = (await database.stages.get(stageId))!;
    return (await as(program, ({ stages }) => stages.claim({ stageId, dispatch, worker, leaseSeconds })))!;
  };
  const lost = await claimed(A, 'host:1', 0.001);
  expect(await as('orchestrator-1', ({ stages }) => stages.requeueLost())).toBe(1);
  const held = await claimed(B, 'host:2', 60);
  return { lost, held };
}

it('sees the work of who holds a stage, and who lost it change nothing', async () => {
  const { lost, held } = await takenOver();
  expect(await as(A, ({ stages }) => stages.heartbeat(lost, { leaseSeconds: 60 }))).toBe('lost');
  expect(await as(B, ({ stages }) => stages.heartbeat(held, { leaseSeconds: 60 }))).toBe('ok');
  expect(await seen()).toMatchObject({ watched: 1, faults: [] });
  expect(await witness.taken()).toBe(1);
});

it('sees who lost a stage write to it', async () => {
  const { held } = await takenOver();
  await forced(A, `UPDATE stage SET progress = '{"done": 1}' WHERE id = '${held.stageId}'`);
  const { faults } = await seen();
  expect(faults).toEqual([`${A} wrote the stage of ${held.stageId}, which is running and held by ${B}`]);
});

it('sees a stage succeed twice', async () => {
  const { held } = await takenOver();
  const wins = `UPDATE stage SET status = 'succeeded', result = '{}', lease_until = NULL, worker = NULL WHERE id = '${held.stageId}'`;
  await forced(B, wins);
  expect(await witness.twoWinners()).toEqual([]);
  // Postgres itself refuses the way back.
  await forced(B, 'ALTER TABLE stage DISABLE TRIGGER stage_transition');
  await forced(B, `UPDATE stage SET status = 'waiting', result = NULL WHERE id = '${held.stageId}'`);
  await forced(B, wins);
  expect(await witness.twoWinners()).toEqual([`stage ${held.stageId} succeeded 2 times`]);
});

it('sees an artifact that a row of any table names missing, or wrong', async () => {
  const store = openStore(join(folder, 'artifacts'));
  const [kept, gone, wrong] = await Promise.all(
    ['kept', 'gone', 'wrong'].map((text) => store.write(new TextEncoder().encode(text))),
  );
  for (const { digest } of [kept!, gone!, wrong!])
    await database.artifacts.record({ digest, bytes: 4, mediaType: 'application/octet-stream' });
  expect(await artifactsAreThere({ database, store, witness })).toMatchObject({ faults: [], count: 3 });
  await store.remove(gone!.digest);
  await writeFile(await store.localPath(wrong!.digest), 'bad');
  const { faults } = await artifactsAreThere({ database, store, witness });
  expect(faults.sort()).toEqual([
    expect.stringContaining(`The artifact ${wrong!.digest}`),
    expect.stringContaining(`There is no artifact ${gone!.digest}`),
  ]);
});

it('sees a process and half a file that are left', async () => {
  const storage = join(folder, 'left');
  await mkdir(join(storage, 'incoming'), { recursive: true });
  const world = (pids: number[]) => ({ storage, processes: async () => pids });
  expect(await leftBehind(world([]))).toEqual([]);
  await writeFile(join(storage, 'incoming', 'stg_1.1.x'), 'half');
  expect(await leftBehind(world([7]))).toEqual(['process 7 is left', 'stg_1.1.x is left half written']);
});
