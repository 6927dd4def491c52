/** Artifacts in a folder: `sha256/ab/cdef…` below it, and `incoming/` for what is being written. */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { assertDigest, Digester, digestOf, hexOf, missing, verified } from './digest.js';
import type { ArtifactStore, StoredArtifact, WriteOptions, Written } from './store.js';
import { systemCode, writeProblem } from './system-errors.js';

/** A file in `incoming/` that is older than this belongs to a process that was killed. */
const ABANDONED_MS = 24 * 3600 * 1000;
/** The folder's clock is asked for again after this. */
const CLOCK_MS = 10_000;
const READ_BYTES = 256 * 1024;

export class FolderStore implements ArtifactStore {
  readonly folder: string;
  readonly #incoming: string;
  #prepared: Promise<void> | null = null;
  #clock = { time: 0, askedAt: Number.NEGATIVE_INFINITY };

  /** @param owner marks what this store is writing, in the names of its files */
  constructor(
    folder: string,
    private readonly owner = 'any',
  ) {
    this.folder = resolve(folder);
    this.#incoming = join(this.folder, 'incoming');
  }

  async write(source: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<Written> {
    options.signal?.throwIfAborted();
    try {
      await this.#prepare();
      const temporary = join(this.#incoming, `${this.owner}.${randomUUID()}`);
      const written = await writeDurably(temporary, source, options.signal);
      await this.#publish(temporary, this.pathOf(written.digest));
      return written;
    } catch (error) {
      throw writeProblem(error, this.folder);
    }
  }

  async read(digest: string): Promise<Uint8Array> {
    const path = this.pathOf(digest);
    const bytes = await readFile(path).catch((error: unknown) => {
      throw this.#readProblem(error, digest);
    });
    assertDigest(digestOf(bytes), digest, path);
    return bytes;
  }

  async stream(digest: string): Promise<{ bytes: number; body: AsyncIterable<Uint8Array> }> {
    const path = this.pathOf(digest);
    const bytes = await this.#sizeOf(digest);
    return { bytes, body: verified(createLazyStream(path), digest, path) };
  }

  async localPath(digest: string): Promise<string> {
    await this.#sizeOf(digest);
    return this.pathOf(digest);
  }

  async has(digest: string): Promise<boolean> {
    const path = this.pathOf(digest);
    try {
      return (await stat(path)).isFile();
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async remove(digest: string): Promise<void> {
    await rm(this.pathOf(digest), { force: true });
  }

  ownedBy(owner: string): FolderStore {
    return new FolderStore(this.folder, owner);
  }

  async discard(owner: string): Promise<void> {
    for (const name of await namesIn(this.#incoming))
      if (name.startsWith(`${owner}.`)) await rm(join(this.#incoming, name), { force: true });
  }

  async check(): Promise<void> {
    try {
      await this.#prepare();
      const path = join(this.#incoming, randomUUID());
      await writeDurably(path, Buffer.from('check'));
      await readFile(path);
      await rm(path);
    } catch (error) {
      throw writeProblem(error, this.folder);
    }
  }

  /** Where the artifact lies, or would lie. */
  pathOf(digest: string): string {
    const hex = hexOf(digest);
    return join(this.folder, 'sha256', hex.slice(0, 2), hex.slice(2));
  }

  async touch(digest: string): Promise<boolean> {
    const now = new Date(await this.#aMomentAgo());
    try {
      await utimes(this.pathOf(digest), now, now);
      return true;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async usedAt(digest: string): Promise<number | null> {
    return (await statOrNull(this.pathOf(digest)))?.mtimeMs ?? null;
  }

  /** The folder's time, asked at most once in a while: many artifacts are touched one after the other. */
  async #aMomentAgo(): Promise<number> {
    const passed = performance.now() - this.#clock.askedAt;
    if (passed < CLOCK_MS) return this.#clock.time + passed;
    // A disk that is full still takes a time.
    const time = await this.now().catch(() => Date.now());
    this.#clock = { time, askedAt: performance.now() };
    return time;
  }

  async now(): Promise<number> {
    try {
      await this.#prepare();
      return await this.#timeOfNewFile();
    } catch (error) {
      throw writeProblem(error, this.folder);
    }
  }

  async *list(): AsyncGenerator<StoredArtifact> {
    const root = join(this.folder, 'sha256');
    for (const start of await namesIn(root)) {
      for (const rest of await namesIn(join(root, start))) {
        const found = await statOrNull(join(root, start, rest));
        if (found) yield { digest: `sha256:${start}${rest}`, bytes: found.size, usedAt: found.mtimeMs };
      }
    }
  }

  /** Once, before the first write: the folder, without what killed processes left in it. */
  async #prepare(): Promise<void> {
    this.#prepared ??= this.#removeAbandoned();
    try {
      await this.#prepared;
    } catch (error) {
      this.#prepared = null; // the disk may be there the next time
      throw error;
    }
  }

  async #removeAbandoned(): Promise<void> {
    await mkdir(this.#incoming, { recursive: true });
    const oldest = (await this.#timeOfNewFile()) - ABANDONED_MS;
    for (const name of await namesIn(this.#incoming)) {
      const path = join(this.#incoming, name);
      const found = await statOrNull(path);
      if (found && found.mtimeMs < oldest) await rm(path, { force: true });
    }
  }

  async #timeOfNewFile(): Promise<number> {
    const path = join(this.#incoming, `${this.owner}.${randomUUID()}`);
    const handle = await open(path, 'wx');
    try {
      return (await handle.stat()).mtimeMs;
    } finally {
      await handle.close();
      await rm(path, { force: true });
    }
  }

  async #publish(temporary: string, path: string): Promise<void> {
    try {
      await mkdir(dirname(path), { recursive: true });
      // Over an equal file as well: a rename is atomic, and it heals a copy that a crash of the machine left damaged.
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(path));
  }

  async #sizeOf(digest: string): Promise<number> {
    try {
      return (await stat(this.pathOf(digest))).size;
    } catch (error) {
      throw this.#readProblem(error, digest);
    }
  }

  #readProblem(error: unknown, digest: string): unknown {
    return systemCode(error) === 'ENOENT' ? missing(digest, this.folder) : error;
  }
}

/** Writes a new file and returns only when its bytes are on the disk: a row in Postgres will refer to them. */
async function writeDurably(
  path: string,
  source: Uint8Array | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<Written> {
  const handle = await open(path, 'wx');
  try {
    const written = await fill(handle, source, signal);
    await handle.datasync();
    return written;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

async function fill(
  handle: FileHandle,
  source: Uint8Array | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<Written> {
  const digester = new Digester();
  if (source instanceof Uint8Array) await append(handle, source, digester);
  else
    for await (const chunk of source) {
      signal?.throwIfAborted();
      await append(handle, chunk, digester);
    }
  signal?.throwIfAborted();
  return { digest: digester.digest(), bytes: digester.bytes };
}

async function append(handle: FileHandle, chunk: Uint8Array, digester: Digester): Promise<void> {
  digester.add(chunk);
  await handle.appendFile(chunk);
}

/** Makes a rename in this folder outlast a crash of the machine. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Opens the file when the first piece is asked for, so that a body nobody reads holds no file open. */
async function* createLazyStream(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: READ_BYTES });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function statOrNull(path: string): Promise<{ size: number; mtimeMs: number } | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null; // another process was faster
    throw error;
  }
}
