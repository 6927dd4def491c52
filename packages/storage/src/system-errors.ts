/** What the file system's errors mean for a user. */
import { ProblemError } from '@rela/contracts';

/** The system's code of an error, such as ENOENT; null where it has none. */
export function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

const FULL = new Set(['ENOSPC', 'EDQUOT']);
const CLOSED = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR']);

/** The problem that a failed write to `folder` is, or the error itself where it is none that a user can cure. */
export function writeProblem(error: unknown, folder: string): unknown {
  const code = systemCode(error);
  if (code !== null && FULL.has(code))
    return new ProblemError(
      'storage-full',
      `There is no room left at ${folder} (${code}). Free some space or point STORAGE_URL at a larger disk; what was stored before is intact.`,
      undefined,
      { cause: error },
    );
  if (code !== null && CLOSED.has(code))
    return new ProblemError(
      'unavailable',
      `${folder} cannot be written (${code}). Point STORAGE_URL at a folder that this user may write.`,
      undefined,
      { cause: error },
    );
  return error;
}
