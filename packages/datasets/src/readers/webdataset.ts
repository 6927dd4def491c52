/**
 * WebDataset (Aizman, Maltzev, Breuel 2019): tar archives in which the files of a sample follow each other, named alike up to the
 * first dot: `0001.jpg`, `0001.cls`. Plain or gzip. Nothing is unpacked to a disk; members that could leave a folder if they were
 * are refused all the same, because such an archive was made to harm.
 */
import { basename } from 'node:path/posix';
import { Readable } from 'node:stream';
import { ProblemError } from '@rela/contracts';
import { extract, type Header } from 'tar-stream';
import type { Files } from '../files/files.js';
import { matchFiles } from '../files/match.js';
import { openUnpacked } from '../files/unpacked.js';
import { DecodeError } from '../image.js';
import { Labels } from './labels.js';
import { IMAGE_ENDINGS, MAX_FILE_BYTES } from './read-image.js';
import type { ShardOptions, Source, SourceImage, SourceSplit } from './source.js';

const ENDINGS = ['.tar', '.tar.gz', '.tgz'];
const MAX_LABEL_BYTES = 2 ** 20;

/**
 * `image` is an ending of the images, such as "jpg"; absent: what is an image. `label` is an ending, or that of a JSON file, after
 * which comes the field: "json.class"; absent: cls, else json.label.
 * @throws ProblemError `invalid-data` where a shard is not there; naming shard and member while they are read
 */
export async function openWebDataset(options: ShardOptions): Promise<Source> {
  const { files, train, test, limit } = options;
  const labels = new Labels(options.classes);
  const reading = { files, labels, image: options.image, label: options.label };
  const trainShards = await matchFiles(files, train, ENDINGS);
  const testShards = test === undefined ? null : await matchFiles(files, test, ENDINGS);
  let isLabelled = false;
  const watched = (split: SourceSplit): SourceSplit => ({
    ...split,
    async *images(signal) {
      for await (const image of split.images(signal)) {
        isLabelled ||= image.label !== null;
        yield image;
      }
    },
  });
  return {
    get classes() {
      return isLabelled ? labels.classes : null;
    },
    train: watched(samplesOf(trainShards, reading, limit?.train)),
    test: testShards && watched(samplesOf(testShards, reading, limit?.test)),
  };
}

interface Reading {
  files: Files;
  labels: Labels;
  image: string | undefined;
  label: string | null | undefined;
}

/** The files of a sample that count, by what follows the first dot of their name. */
interface Sample {
  key: string;
  fields: Map<string, Field>;
  /** of the fields, together */
  bytes: number;
}

/** null: more bytes than are read. */
type Field = Uint8Array | null;

function samplesOf(
  shards: readonly string[],
  reading: Reading,
  most = Number.POSITIVE_INFINITY,
): SourceSplit {
  return {
    count: null,
    async *images(signal) {
      let left = most;
      for (const shard of shards) {
        for await (const sample of groupsOf(shard, reading, signal)) {
          signal?.throwIfAborted();
          if (left-- <= 0) return;
          yield imageOf(sample, shard, reading);
        }
      }
    },
  };
}

function imageOf({ key, fields }: Sample, shard: string, { labels, label, image }: Reading): SourceImage {
  const where = `${basename(shard)}/${key}`;
  const ending = [...fields.keys()].find((field) => isImage(field, image));
  const number = labels.number(labelOf(fields, label, where), where);
  const read = async () => {
    if (ending === undefined)
      throw new DecodeError(`has no image${image === undefined ? '' : ` .${image}`}; it has ${list(fields)}`);
    const bytes = fields.get(ending);
    if (!bytes) throw new DecodeError(`has more than the ${MAX_FILE_BYTES} bytes that are read`);
    return bytes;
  };
  return { name: ending === undefined ? where : `${where}.${ending}`, label: number, kind: 'file', read };
}

function list(fields: Map<string, Field>): string {
  return [...fields.keys()].map((field) => `.${field}`).join(', ') || 'nothing that is read';
}

function isImage(field: string, wanted: string | undefined): boolean {
  if (wanted !== undefined) return field === wanted;
  // "left.jpg" is an image as well as "jpg".
  return IMAGE_ENDINGS.has(`.${field.split('.').at(-1)!.toLowerCase()}`);
}

/** Which files of a sample are kept: of the others no byte is. */
function counts(field: string, { image, label }: Reading): number | null {
  if (isImage(field, image)) return MAX_FILE_BYTES;
  if (label === null) return null;
  const wanted = label === undefined ? ['cls', 'json'] : [label, label.split('.')[0]];
  return wanted.includes(field) ? MAX_LABEL_BYTES : null;
}

function labelOf(
  fields: Map<string, Field>,
  label: string | null | undefined,
  where: string,
): string | number | null {
  if (label === null) return null;
  const whole = label === undefined ? fields.get('cls') : fields.get(label);
  if (whole) return Buffer.from(whole).toString('utf8').trim();
  const name = label === undefined ? 'label' : label.startsWith('json.') ? label.slice('json.'.length) : null;
  const json = name === null ? undefined : fields.get('json');
  if (name !== null && json) {
    const value = fieldOf(json, name, where);
    if (value !== undefined && value !== null) return value;
  }
  if (label === undefined) return null;
  throw new ProblemError(
    'invalid-data',
    `${where} has no label .${label}; it has ${list(fields)}. Name the ending in source.label, "json.FIELD" for a field of a JSON file, or null where there are no labels.`,
  );
}

function fieldOf(json: Uint8Array, name: string, where: string): string | number | null | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(json).toString('utf8'));
  } catch (error) {
    throw new ProblemError('invalid-data', `${where}.json is not JSON.`, undefined, { cause: error });
  }
  const value =
    typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>)[name] : undefined;
  if (value === undefined || value === null || typeof value === 'string' || typeof value === 'number')
    return value;
  throw new ProblemError(
    'invalid-data',
    `${where}.json has a "${name}" that is neither a number nor a text.`,
  );
}

/** The samples of a shard, one after the other. Memory: the files of one sample that count. */
async function* groupsOf(shard: string, reading: Reading, signal?: AbortSignal): AsyncGenerator<Sample> {
  let sample: Sample | null = null;
  for await (const { name, field, bytes } of membersOf(shard, reading, signal)) {
    if (sample && sample.key !== name) {
      yield sample;
      sample = null;
    }
    sample ??= { key: name, fields: new Map(), bytes: 0 };
    if (bytes !== undefined) sample.fields.set(field, bytes);
    sample.bytes += bytes?.length ?? 0;
    if (sample.bytes > MAX_FILE_BYTES)
      throw new ProblemError(
        'invalid-data',
        `${basename(shard)}/${name} has files of more than ${MAX_FILE_BYTES} bytes together. Name the one that is meant in source.image.`,
      );
  }
  if (sample) yield sample;
}

interface Member {
  /** path up to the first dot of its last part */
  name: string;
  field: string;
  /** absent: it does not count */
  bytes: Field | undefined;
}

async function* membersOf(shard: string, reading: Reading, signal?: AbortSignal): AsyncGenerator<Member> {
  const { chunks } = await openUnpacked(reading.files, shard);
  const archive = extract();
  const source = Readable.from(iterate(chunks), { objectMode: false });
  // Whichever fails ends the other, and whoever reads the archive gets the reason.
  source.once('error', (error) => archive.destroy(error));
  source.pipe(archive);
  try {
    for await (const entry of archive) {
      signal?.throwIfAborted();
      const { header } = entry;
      assertHarmless(header, shard);
      const base = basename(header.name);
      const dot = base.indexOf('.', 1);
      if (header.type !== 'file' || base.startsWith('.') || dot < 0) {
        entry.resume();
        continue;
      }
      const field = base.slice(dot + 1);
      const name = header.name.slice(0, header.name.length - base.length + dot).replace(/^\.\//, '');
      const most = counts(field, reading);
      const size = header.size ?? 0;
      if (most !== null && size <= most)
        yield { name, field, bytes: await contentOf(entry as AsyncIterable<Uint8Array>, size) };
      else {
        entry.resume();
        yield { name, field, bytes: most === null ? undefined : null };
      }
    }
  } catch (error) {
    if (error instanceof ProblemError || signal?.aborted) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError(
      'invalid-data',
      `${shard} cannot be read as a tar archive: ${reason}.`,
      undefined,
      {
        cause: error,
      },
    );
  } finally {
    source.destroy();
    archive.destroy();
    await chunks.return?.();
  }
}

async function* iterate(chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
}

async function contentOf(entry: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  for await (const part of entry) {
    bytes.set(part, filled);
    filled += part.length;
  }
  return bytes;
}

function assertHarmless({ name, type, linkname }: Header, shard: string): void {
  const refuse = (what: string) =>
    new ProblemError(
      'invalid-data',
      `${shard} is refused: its member ${JSON.stringify(name)} ${what}. Make the archive again, of files below one folder.`,
    );
  if (name.startsWith('/') || /^[a-z]:[\\/]/i.test(name)) throw refuse('has an absolute path');
  if (name.split(/[\\/]/).includes('..')) throw refuse('leads out of the archive by ".."');
  if (type === 'symlink' || type === 'link') throw refuse(`is a link to ${JSON.stringify(linkname ?? '')}`);
  if (type !== 'file' && type !== 'directory' && type !== 'contiguous-file' && !type?.startsWith('pax'))
    throw refuse(`is no file but a ${type}`);
}
