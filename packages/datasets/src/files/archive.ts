/** Zip archives, read in place: the list of their members, and each member as a stream. */
import { Readable } from 'node:stream';
import { ProblemError } from '@rela/contracts';
import { type Entry, fromRandomAccessReader, RandomAccessReader, type ZipFile } from 'yauzl';
import type { Files } from './files.js';

export interface Archive {
  names: string[];
  /** Bytes of a member; they are checked against the length that the archive announces. */
  stream(name: string): Promise<AsyncIterator<Uint8Array>>;
}

const MAX_MEMBERS = 10_000;
const READ_BYTES = 256 * 1024;

/** yauzl asks for ranges of bytes; the place of the file answers. */
class RangeReader extends RandomAccessReader {
  constructor(
    private readonly files: Files,
    private readonly path: string,
  ) {
    super();
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const { files, path } = this;
    async function* ranges() {
      for (let from = start; from < end; from += READ_BYTES) {
        const bytes = await files.read(path, from, Math.min(end, from + READ_BYTES));
        yield bytes;
      }
    }
    return Readable.from(ranges(), { objectMode: false });
  }
}

/** @throws ProblemError `invalid-data` where it is no zip archive */
export async function openArchive(files: Files, path: string): Promise<Archive> {
  const size = await files.size(path);
  const broken = (error: unknown) => {
    if (error instanceof ProblemError) return error;
    const reason = error instanceof Error ? error.message : String(error);
    return new ProblemError(
      'invalid-data',
      `${path} cannot be read as a zip archive: ${reason}.`,
      undefined,
      {
        cause: error,
      },
    );
  };
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    fromRandomAccessReader(
      new RangeReader(files, path),
      size,
      { lazyEntries: true, autoClose: false },
      (error, opened) => (error ? reject(broken(error)) : resolve(opened)),
    );
  });
  const entries = await entriesOf(zip, path).catch((error) => {
    throw broken(error);
  });
  return {
    names: [...entries.keys()],
    stream: (name) =>
      new Promise((resolve, reject) => {
        const entry = entries.get(name);
        if (!entry) return reject(new ProblemError('invalid-data', `${path} has no member ${name}.`));
        zip.openReadStream(entry, (error, stream) =>
          error ? reject(broken(error)) : resolve(stream[Symbol.asyncIterator]()),
        );
      }),
  };
}

function entriesOf(zip: ZipFile, path: string): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_MEMBERS)
    throw new ProblemError(
      'invalid-data',
      `${path} has ${zip.entryCount} members; up to ${MAX_MEMBERS} are read.`,
    );
  return new Promise((resolve, reject) => {
    const entries = new Map<string, Entry>();
    zip.on('entry', (entry: Entry) => {
      entries.set(entry.fileName, entry);
      zip.readEntry();
    });
    zip.once('end', () => resolve(entries));
    zip.once('error', reject);
    zip.readEntry();
  });
}
