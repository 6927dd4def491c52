/** Gets the bytes of a prior's model from wherever the request says they are. */
import { readFile, stat } from 'node:fs/promises';
import { type PriorSource, ProblemError } from '@rela/contracts';
import { createRandomPrior } from '@rela/stages';
import type { ApiDependencies } from '../dependencies.js';

type Needs = Pick<ApiDependencies, 'database' | 'store' | 'config'>;

const fileErrors: Record<string, string> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is not a folder',
  EACCES: 'the service may not read it',
  EPERM: 'the service may not read it',
};

/** @throws ProblemError `invalid-request` saying why the file cannot be read */
async function readModelFile(path: string, maxBytes: number): Promise<Uint8Array> {
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
    if (found.isDirectory()) throw refuse('it is a folder');
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

/** @throws ProblemError `not-found` for an unknown digest, `invalid-request` for a file that cannot be read */
export async function readModel(
  { database, store, config }: Needs,
  source: PriorSource,
): Promise<Uint8Array> {
  switch (source.kind) {
    case 'artifact':
      if (!(await database.artifacts.get(source.digest)))
        throw new ProblemError(
          'not-found',
          `There is no artifact ${source.digest}. Upload the file to /v1/artifacts first.`,
          [{ field: 'source.digest', message: 'is not the digest of an artifact' }],
        );
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
      return readModelFile(source.path, config.api.maxUploadBytes);
    case 'random':
      return createRandomPrior(source);
    default:
      return source satisfies never;
  }
}
