/**
 * Steps that were lowered before, in memory and on disk, by a digest of everything that the ONNX graph follows from. What is kept is the
 * graph as bytes and how the state stands in it; a session and a state every step has of its own. A file that is damaged counts as
 * absent, and the oldest go where there are many.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Form } from '../onnx/forms.js';
import type { OnnxPort } from '../onnx/model.js';

export interface LoweredStep {
  bytes: Uint8Array;
  /** Ports of the graph's outputs. */
  outputs: OnnxPort[];
  /** Form of every tensor of the state. */
  stateForms: ReadonlyMap<string, Form>;
}

const MOST_IN_MEMORY = 4;
const MOST_ON_DISK = 64;
const SUFFIX = '.step';
/** Half a step, under its passing name, of a process that was killed while it kept it. */
const PASSING = /\.step\.[0-9a-f-]{36}$/;
const ABANDONED_MS = 24 * 3600 * 1000;
const LENGTH_BYTES = 4;

interface Header {
  sha256: string;
  outputs: OnnxPort[];
  stateForms: [string, Form][];
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

export class StepCache {
  private readonly memory = new Map<string, LoweredStep>();

  /** @param folder where steps outlive the process; null: nowhere */
  constructor(private readonly folder: string | null) {}

  async get(key: string): Promise<LoweredStep | null> {
    const found = this.memory.get(key) ?? (await this.read(key));
    if (found) this.remember(key, found);
    return found;
  }

  /** Never fails for the disk's sake: what cannot be kept is made again. */
  async put(key: string, step: LoweredStep): Promise<void> {
    this.remember(key, step);
    if (this.folder === null) return;
    const path = this.pathOf(key);
    const passing = `${path}.${randomUUID()}`;
    try {
      await mkdir(this.folder, { recursive: true });
      await writeFile(passing, encode(step));
      await rename(passing, path);
      await this.removeAbandoned((await stat(path)).mtimeMs);
      await this.prune();
    } catch (error) {
      // Where nothing could be written, nothing is to be taken away.
      await rm(passing, { force: true }).catch(() => undefined);
      process.emitWarning(
        `A compiled step could not be kept in ${this.folder}: ${error instanceof Error ? error.message : String(error)}`,
        { type: 'StepCache', code: 'ENGINE_STEP_NOT_KEPT' },
      );
    }
  }

  private pathOf(key: string): string {
    return join(this.folder!, `${key}${SUFFIX}`);
  }

  private remember(key: string, step: LoweredStep): void {
    this.memory.delete(key);
    this.memory.set(key, step);
    for (const oldest of [...this.memory.keys()].slice(0, -MOST_IN_MEMORY)) this.memory.delete(oldest);
  }

  private async read(key: string): Promise<LoweredStep | null> {
    if (this.folder === null) return null;
    try {
      const step = decode(await readFile(this.pathOf(key)));
      // Its time of use decides how long it stays.
      if (step) await utimes(this.pathOf(key), new Date(), new Date());
      return step;
    } catch {
      // Not there, or not to be read: the step is made, and `put` tells why it cannot be kept.
      return null;
    }
  }

  /** @param now what the clock of the disk says */
  private async removeAbandoned(now: number): Promise<void> {
    for (const name of (await readdir(this.folder!)).filter((one) => PASSING.test(one))) {
      const path = join(this.folder!, name);
      const found = await stat(path).catch(() => null);
      if (found && now - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
    }
  }

  private async prune(): Promise<void> {
    const names = (await readdir(this.folder!)).filter((name) => name.endsWith(SUFFIX));
    if (names.length <= MOST_ON_DISK) return;
    const paths = names.map((name) => join(this.folder!, name));
    const used = await Promise.all(paths.map(async (path) => ({ path, at: (await stat(path)).mtimeMs })));
    used.sort((a, b) => b.at - a.at);
    await Promise.all(used.slice(MOST_ON_DISK).map(({ path }) => rm(path, { force: true })));
  }
}

function encode({ bytes, outputs, stateForms }: LoweredStep): Uint8Array {
  const header: Header = { sha256: sha256(bytes), outputs, stateForms: [...stateForms] };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text, bytes]);
}

function decode(file: Buffer): LoweredStep | null {
  try {
    const end = LENGTH_BYTES + file.readUInt32LE(0);
    const header = JSON.parse(file.toString('utf8', LENGTH_BYTES, end)) as Header;
    const bytes = file.subarray(end);
    if (sha256(bytes) !== header.sha256) return null;
    return { bytes, outputs: header.outputs, stateForms: new Map(header.stateForms) };
  } catch {
    // Cut off, or of another version.
    return null;
  }
}
