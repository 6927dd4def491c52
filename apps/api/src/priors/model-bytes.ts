/** Gets the bytes of a prior's model from wherever the request says they are. */
import { opendir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type PriorCreate, ProblemError } from '@rela/contracts';
import { createRandomPrior } from '@rela/stages';
import { type Conversion, convertModel } from '../conversion/convert-model.js';
import type { TenantDependencies } from '../dependencies.js';

type Needs = Pick<TenantDependencies, 'database' | 'store' | 'config'>;

const fileErrors: Record<string, string> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is not a folder',
  EACCES: 'the service may not read it',
  EPERM: 'the service may not read it',
};

/** A TF.js model is a folder with this file. */
const TFJS_FILE = 'model.json';

/** Files of a folder beyond these are no shards of one model. */
const MAX_FOLDER_FILES = 10_000;

type Files = Conversion['files'];

/** @throws ProblemError `invalid-request` saying why the file or folder cannot be read */
async function readPath(
  path: string,
  maxBytes: number,
  convert: (files: Files) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const refuse = (reason: string, cause?: unknown) =>
    new ProblemError(
      'invalid-request',
      `The file ${path} cannot be read: ${reason}. The path is one of the machine that runs the API; a file of yours is uploaded to /v1/artifacts first.`,
      [{ field: 'source.path', message: reason }],
      { cause },
    );
  try {
    // Looked at before it is opened: opening a pipe would wait for its writer.
    const found = await stat(path);
    if (found.isDirectory() || basename(path) === TFJS_FILE) {
      const folder = found.isDirectory() ? path : dirname(path);
      const files = await filesIn(folder);
      if (!files) throw refuse(`it has more than ${MAX_FOLDER_FILES} files`);
      if (!files.some(([name]) => name === TFJS_FILE))
        throw refuse(`it is a folder without ${TFJS_FILE}, so no TF.js model`);
      return await convert(files);
    }
    if (!found.isFile()) throw refuse('it is not a file');
    if (found.size > maxBytes) throw refuse(`it has ${found.size} bytes and the limit is ${maxBytes}`);
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
      const reason = fileErrors[error.code];
      if (reason) throw refuse(reason, error);
    }
    throw error;
  }
}

/** Null where there are too many. */
async function filesIn(folder: string): Promise<Files | null> {
  const files: Files = [];
  for await (const { name } of await opendir(folder)) {
    if (files.length === MAX_FOLDER_FILES) return null;
    files.push([name, join(folder, name)]);
  }
  return files;
}

/** @throws ProblemError `not-found` naming the field whose digest is unknown */
async function assertArtifact({ database }: Needs, digest: string, field: string): Promise<void> {
  if (await database.artifacts.get(digest)) return;
  throw new ProblemError(
    'not-found',
    `There is no artifact ${digest}. Upload the file to /v1/artifacts first.`,
    [{ field, message: 'is not the digest of an artifact' }],
  );
}

/** @throws ProblemError `not-found` for an unknown digest, `invalid-request` for a file that cannot be read, `invalid-model` */
export async function readModel(
  needs: Needs,
  { source, output, preprocessing }: Omit<PriorCreate, 'name'>,
): Promise<Uint8Array> {
  const { database, store } = needs;
  const maxBytes = needs.config.api.maxUploadBytes;
  const convert = (files: Files) => convertModel({ files, maxBytes, output, preprocessing });
  switch (source.kind) {
    case 'artifact':
      await assertArtifact(needs, source.digest, 'source.digest');
      return store.read(source.digest);
    case 'model':
      if (!(await database.models.get(source.digest)))
        throw new ProblemError(
          'not-found',
          `There is no model ${source.digest}. A run that has trained names its model in result.model.`,
          [{ field: 'source.digest', message: 'is not the digest of a model' }],
        );
      return store.read(source.digest);
    case 'path':
      return readPath(source.path, maxBytes, convert);
    case 'tfjs': {
      const files: Files = [];
      for (const [name, digest] of Object.entries(source.files)) {
        await assertArtifact(needs, digest, `source.files.${name}`);
        files.push([name, await store.localPath(digest)]);
      }
      return convert(files);
    }
    case 'random':
      return createRandomPrior(source);
    default:
      return source satisfies never;
  }
}
