/**
 * A backup is one tar: what it is of, all rows of one moment, the artifacts, and what there has to be of both.
 *
 *     rela-backup.json, rows/000001-dataset.jsonl, …, artifacts/<sha256>, …, end.json
 *
 * The rows come first: an artifact that appears later is one too many, and none is missing but checkpoints that a run has replaced since.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ProblemError } from '@rela/contracts';
import { dumpRows, migrationOf, type RowBlock, restoreRows, TABLES } from '@rela/database';
import type { ArtifactStore } from '@rela/storage';
import { extract, type Pack, pack } from 'tar-stream';
import { z } from 'zod';

export interface Place {
  databaseUrl: string;
  store: ArtifactStore;
}

/** What a backup held, or a restoration put back. */
export interface Contents {
  rows: number;
  artifacts: number;
  bytes: number;
}

/** A file of the archive: its bytes, to be read before the next one is asked for. */
interface Entry extends AsyncIterable<Uint8Array> {
  header: { name: string };
}

const HEAD = 'rela-backup.json';
const END = 'end.json';
const ROWS = /^rows\/\d+-([a-z_]+)\.jsonl$/;
const ARTIFACT = /^artifacts\/([0-9a-f]{64})$/;

const Head = z.object({ version: z.literal(1), createdAt: z.string(), migration: z.string() });
const End = z.object({ rows: z.int(), artifacts: z.int(), bytes: z.int() });
const TableName = z.enum(TABLES);

const asJson = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function addText(tar: Pack, name: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    tar.entry({ name }, text, (error) => (error ? reject(error) : resolve()));
  });
}

async function addRows(tar: Pack, url: string): Promise<number> {
  let rows = 0;
  let blocks = 0;
  for await (const { table, lines } of dumpRows(url)) {
    blocks += 1;
    rows += lines.length;
    await addText(
      tar,
      `rows/${String(blocks).padStart(6, '0')}-${table}.jsonl`,
      lines.map((line) => `${line}\n`).join(''),
    );
  }
  return rows;
}

async function addArtifacts(tar: Pack, store: ArtifactStore): Promise<{ artifacts: number; bytes: number }> {
  const added = { artifacts: 0, bytes: 0 };
  for await (const { digest } of store.list()) {
    const found = await store.stream(digest).catch((error: unknown) => {
      // Removed since it was listed: nothing refers to it any more.
      if (error instanceof ProblemError && error.code === 'not-found') return null;
      throw error;
    });
    if (!found) continue;
    const name = `artifacts/${digest.slice('sha256:'.length)}`;
    await pipeline(found.body, tar.entry({ name, size: found.bytes }));
    added.artifacts += 1;
    added.bytes += found.bytes;
  }
  return added;
}

/** Writes a backup of a service, which may be running, to `file`; it appears there when it is whole. */
export async function writeBackup({ databaseUrl, store }: Place, file: string): Promise<Contents> {
  const part = `${file}.part`;
  const tar = pack();
  const written = pipeline(tar, createWriteStream(part, { flags: 'w', mode: 0o600 }));
  // Heard below; until then a disk that is full must not end the process.
  written.catch(() => undefined);
  try {
    const head = {
      version: 1,
      createdAt: new Date().toISOString(),
      migration: await migrationOf(databaseUrl),
    };
    await addText(tar, HEAD, asJson(head));
    const rows = await addRows(tar, databaseUrl);
    const contents = { rows, ...(await addArtifacts(tar, store)) };
    await addText(tar, END, asJson(contents));
    tar.finalize();
    await written;
    const handle = await open(part);
    await handle.sync().finally(() => handle.close());
    await rename(part, file);
    return contents;
  } catch (error) {
    tar.destroy();
    // Where the file cannot be written the archive only says that it was closed.
    const cause = await written.then(
      () => null,
      (reason: unknown) => reason,
    );
    await rm(part, { force: true });
    throw isOfSystem(cause) ? cause : error;
  }
}

const isOfSystem = (error: unknown): boolean => error instanceof Error && 'syscall' in error;

const noBackup = (why: string, cause?: unknown) =>
  new ProblemError(
    'invalid-data',
    `This is no backup that can be restored: ${why}. Nothing was put back.`,
    undefined,
    { cause },
  );

/** What is wrong with an archive that cannot be read on. */
function unreadable(error: unknown): unknown {
  return isOfSystem(error) ? error : noBackup('it is no tar, is damaged, or ends in the middle', error);
}

async function* bytesOf(entry: Entry): AsyncGenerator<Uint8Array> {
  try {
    yield* entry;
  } catch (error) {
    throw unreadable(error);
  }
}

async function nextOf(entries: AsyncIterator<Entry>): Promise<Entry | null> {
  try {
    const { value, done } = await entries.next();
    return done ? null : value;
  } catch (error) {
    throw unreadable(error);
  }
}

async function textOf(entry: Entry): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytesOf(entry)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function parsed<S extends z.ZodType>(schema: S, name: string, text: string): z.output<S> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw noBackup(`${name} is damaged`, error);
  }
}

/** Puts artifacts into the store and gives the rows, until the archive says that this was all. */
async function* restOf(
  entries: AsyncIterator<Entry>,
  store: ArtifactStore,
  found: Contents,
): AsyncGenerator<RowBlock> {
  for (;;) {
    const entry = await nextOf(entries);
    if (!entry) throw noBackup('it ends in the middle');
    const { name } = entry.header;
    const table = TableName.safeParse(ROWS.exec(name)?.[1]).data;
    const digest = ARTIFACT.exec(name)?.[1];
    if (table) {
      const lines = (await textOf(entry)).split('\n').filter((line) => line !== '');
      found.rows += lines.length;
      yield { table, lines };
    } else if (digest) {
      const written = await store.write(bytesOf(entry));
      if (written.digest !== `sha256:${digest}`) {
        await store.remove(written.digest);
        throw noBackup(`the artifact sha256:${digest} is damaged`);
      }
      found.artifacts += 1;
      found.bytes += written.bytes;
    } else if (name === END) {
      const wanted = parsed(End, END, await textOf(entry));
      if (asJson(wanted) !== asJson(found)) throw noBackup('parts of it are missing');
      return;
    } else throw noBackup(`it has an entry "${name}"`);
  }
}

/**
 * Puts a backup into an empty database, and its artifacts beside those that the store has.
 * @throws ProblemError `invalid-data` where the file is no whole backup; MigrationError
 */
export async function restoreBackup(file: string, { databaseUrl, store }: Place): Promise<Contents> {
  const tar = extract();
  const source: Readable = createReadStream(file);
  const reading = pipeline(source, tar);
  reading.catch(() => undefined);
  const entries = tar[Symbol.asyncIterator]() as unknown as AsyncIterator<Entry>;
  try {
    const first = await nextOf(entries);
    if (first?.header.name !== HEAD) throw noBackup(`it does not begin with ${HEAD}`);
    const { migration } = parsed(Head, HEAD, await textOf(first));
    const found: Contents = { rows: 0, artifacts: 0, bytes: 0 };
    await restoreRows(databaseUrl, { migration, blocks: restOf(entries, store, found) });
    return found;
  } finally {
    source.destroy();
    tar.destroy();
    await reading.catch(() => undefined);
  }
}
