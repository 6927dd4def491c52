/** Which files a user means: a path, a folder, `{000..003}`, `*` in the file's name, or a list of these. */
import { basename } from 'node:path/posix';
import { ProblemError } from '@rela/contracts';
import { braceExpand, minimatch } from 'minimatch';
import type { Files } from './files.js';
import { folderOf, inside } from './paths.js';

const MAX_FILES = 100_000;

/**
 * The files in the order of the patterns; what one pattern or folder leads to, in the order of the names.
 * @param endings what the names of files end with, where a folder is given
 * @throws ProblemError `invalid-data` naming the pattern that leads to nothing
 */
export async function matchFiles(
  files: Files,
  patterns: string | readonly string[],
  endings: readonly string[],
): Promise<string[]> {
  const matched: string[] = [];
  for (const pattern of typeof patterns === 'string' ? [patterns] : patterns) {
    const expanded = braceExpand(pattern, { braceExpandMax: MAX_FILES });
    // What is judged by its place must not turn out to lie elsewhere.
    if (expanded.some((path) => path !== pattern && path.split('/').includes('..')))
      throw new ProblemError(
        'invalid-data',
        `${pattern} leads up by braces; write ".." out, or leave it out.`,
      );
    for (const path of expanded) matched.push(...(await matchOne(files, path, endings)));
    if (matched.length > MAX_FILES)
      throw new ProblemError('invalid-data', `${pattern} leads to more than ${MAX_FILES} files.`);
  }
  return matched;
}

async function matchOne(files: Files, path: string, endings: readonly string[]): Promise<string[]> {
  const kind = await files.kindOf(path);
  if (kind === 'file') return [path];
  const name = basename(path);
  if (kind === null && !/[*?]/.test(name))
    throw new ProblemError('invalid-data', `${path} is not there. Paths are seen from the worker.`);
  const folder = kind === 'folder' ? path : folderOf(path);
  const { files: there } = await files.entries(folder);
  const isMeant = (file: string) =>
    kind === 'folder' ? endings.some((ending) => file.endsWith(ending)) : minimatch(file, name);
  const found = there.filter(isMeant).map((file) => inside(folder, file));
  if (found.length === 0)
    throw new ProblemError(
      'invalid-data',
      kind === 'folder'
        ? `${path} holds no files that end in ${endings.join(', ')}.`
        : `No file of ${folder} has a name like ${name}.`,
    );
  return found;
}
