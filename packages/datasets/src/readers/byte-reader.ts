/** Reads a file, plain or gzip, from its start to its end in pieces of the size that is asked for. */
import { ProblemError } from '@rela/contracts';
import type { Files } from '../files/files.js';
import { openUnpacked } from '../files/unpacked.js';

export class ByteReader {
  /** Bytes taken so far; of a gzip file, after unpacking. */
  position = 0;
  #chunk: Uint8Array = new Uint8Array();
  #used = 0;

  private constructor(
    readonly path: string,
    readonly isGzip: boolean,
    private readonly chunks: AsyncIterator<Uint8Array>,
  ) {}

  /** @throws ProblemError `invalid-data` where the file cannot be opened */
  static async open(files: Files, path: string): Promise<ByteReader> {
    const { isGzip, chunks } = await openUnpacked(files, path);
    return new ByteReader(path, isGzip, chunks);
  }

  /** Reads what comes out of something larger; `path` names it. */
  static over(path: string, chunks: AsyncIterator<Uint8Array>): ByteReader {
    return new ByteReader(path, false, chunks);
  }

  /**
   * The next `size` bytes, as a copy.
   * @throws ProblemError `invalid-data` where the file ends before, naming file and offset
   */
  async take(size: number, what: string): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      if (this.#used === this.#chunk.length && !(await this.#advance()))
        throw this.problem(`ends where ${what} should be: ${size - filled} of ${size} bytes are missing`);
      const part = this.#chunk.subarray(this.#used, this.#used + size - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#used += part.length;
      this.position += part.length;
    }
    return bytes;
  }

  /** Whether all bytes were taken. */
  async atEnd(): Promise<boolean> {
    while (this.#used === this.#chunk.length) if (!(await this.#advance())) return true;
    return false;
  }

  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  problem(text: string): ProblemError {
    const offset = `${this.isGzip ? 'unpacked ' : ''}offset ${this.position}`;
    return new ProblemError('invalid-data', `${this.path} ${text} (at ${offset}).`);
  }

  async #advance(): Promise<boolean> {
    try {
      const { done, value } = await this.chunks.next();
      if (done) return false;
      this.#chunk = value;
      this.#used = 0;
      return true;
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      const problem = this.problem(`cannot be read: ${reason}`);
      throw new ProblemError(problem.code, problem.detail, undefined, { cause: error });
    }
  }
}
