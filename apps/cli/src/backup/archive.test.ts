/** Backups of a real database and a real folder, whole and damaged. */
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, migrate, openDatabase, startEmbeddedPostgres } from '@rela/database';
import { openStore } from '@rela/storage';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Place, restoreBackup, writeBackup } from './archive.js';

let folder: string;
let postgres: EmbeddedPostgres;
let from: Place;
let backup: string;
let digests: string[];

const bytesOf = (text: string) => new TextEncoder().encode(text);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-backup-'));
  postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres') });
  from = { databaseUrl: postgres.url, store: openStore(join(folder, 'store')) };
  await migrate(postgres.url);
  const database = await openDatabase(postgres.url, { connections: 2 });
  await database.datasets.create({
    ...{ name: 'digits', source: { kind: 'folder', path: '/nowhere' }, tolerance: 0, shardSize: 8 },
  });
  digests = [];
  for (const text of ['first', '', 'a longer one'.repeat(10_000)])
    digests.push((await from.store.write(bytesOf(text))).digest);
  await database.close();
  backup = join(folder, 'all.tar');
});
afterAll(async () => {
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

let places = 0;
/** An empty database on the same server, and an empty folder. */
async function emptyPlace(): Promise<Place> {
  const name = `place_${++places}`;
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  return { databaseUrl: url.href, store: openStore(join(folder, name)) };
}

async function datasetsOf({ databaseUrl }: Place): Promise<string[]> {
  const database = await openDatabase(databaseUrl, { connections: 1 });
  const { items } = await database.datasets.list({ limit: 10 }).finally(() => database.close());
  return items.map(({ name }) => name);
}

it('brings rows and artifacts to another place, and writes nothing but the file', async () => {
  const before = await readdir(folder);
  const contents = await writeBackup(from, backup);
  // One of the rows is the tenant whose all of it is.
  expect(contents).toEqual({ rows: 4, artifacts: 3, bytes: 5 + 120_000 });
  expect((await readdir(folder)).filter((name) => !before.includes(name))).toEqual(['all.tar']);
  const to = await emptyPlace();
  expect(await restoreBackup(backup, to)).toEqual(contents);
  expect(await datasetsOf(to)).toEqual(['digits']);
  for (const digest of digests) expect(await to.store.read(digest)).toEqual(await from.store.read(digest));
});

it('puts back nothing of a file that ends in the middle, is damaged, or is no backup', async () => {
  await writeBackup(from, backup);
  const whole = await readFile(backup);
  const damaged = Buffer.from(whole);
  damaged[whole.indexOf('a longer one') + 3]! ^= 1;
  const cases: [string, Buffer | string, string][] = [
    ['cut in an artifact', whole.subarray(0, whole.indexOf('a longer one') + 5000), 'ends in the middle'],
    ['cut between entries', whole.subarray(0, whole.indexOf('end.json')), 'ends in the middle'],
    ['damaged', damaged, 'is damaged'],
    ['a text', 'hello '.repeat(200), 'it is no tar'],
    ['empty', '', 'it does not begin with rela-backup.json'],
  ];
  for (const [name, bytes, sentence] of cases) {
    const file = join(folder, 'bad.tar');
    await writeFile(file, bytes);
    const to = await emptyPlace();
    await migrate(to.databaseUrl);
    await expect(restoreBackup(file, to), name).rejects.toThrow(sentence);
    expect([name, await datasetsOf(to)]).toEqual([name, []]);
  }
  await truncate(backup);
  await appendFile(backup, whole);
});

it('says that there is no such file, and leaves no half of one where it cannot be written', async () => {
  await expect(restoreBackup(join(folder, 'none.tar'), await emptyPlace())).rejects.toThrow('ENOENT');
  await expect(writeBackup(from, join(folder, 'no', 'folder.tar'))).rejects.toThrow('ENOENT');
});
