/** Files of this machine. Links count as what they lead to. */
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { ProblemError } from '@rela/contracts';
import type { Entries, Files } from './files.js';
import { inside } from './paths.js';
import { tooLarge } from './too-large.js';

const READ_BYTES = 256 * 1024;

export class LocalFiles implements Files {
  async entries(folder: string): Promise<Entries> {
    const entries: Entries = { files: [], folders: [] };
    const listed = await readdir(folder, { withFileTypes: true }).catch((error) => {
      throw unreadable(`The folder ${folder} cannot be read`, error);
    });
    for (const entry of listed) {
      if (entry.name.startsWith('.')) continue;
      let kind: 'file' | 'folder' | null = entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : null;
      if (entry.isSymbolicLink()) kind = await this.kindOf(inside(folder, entry.name));
      if (kind === 'folder') entries.folders.push(entry.name);
      else if (kind === 'file') entries.files.push(entry.name);
    }
    return { files: entries.files.sort(), folders: entries.folders.sort() };
  }

  async kindOf(path: string): Promise<'file' | 'folder' | null> {
    const found = await stat(path).catch(() => null);
    return found?.isDirectory() ? 'folder' : found?.isFile() ? 'file' : null;
  }

  real(path: string): Promise<string> {
    return realpath(path);
  }

  async size(path: string): Promise<number> {
    const found = await stat(path).catch((error) => {
      throw unreadable(`${path} cannot be opened`, error);
    });
    return found.size;
  }

  async *stream(path: string): AsyncGenerator<Uint8Array> {
    try {
      yield* createReadStream(path, { highWaterMark: READ_BYTES });
    } catch (error) {
      throw unreadable(`${path} cannot be opened`, error);
    }
  }

  async read(path: string, start: number, end: number): Promise<Uint8Array> {
    const bytes = Buffer.alloc(Math.max(0, end - start));
    try {
      const file = await open(path, 'r');
      try {
        let filled = 0;
        while (filled < bytes.length) {
          const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw unreadable(`${path} cannot be opened`, error);
    }
  }

  async whole(path: string, most: number): Promise<Uint8Array> {
    if ((await this.size(path)) > most) throw tooLarge(path, most);
    return readFile(path).catch((error) => {
      throw unreadable(`${path} cannot be opened`, error);
    });
  }
}

function unreadable(what: string, error: unknown): ProblemError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ProblemError(
    'invalid-data',
    `${what}: ${reason}. The path is seen from the worker.`,
    undefined,
    { cause: error },
  );
}
