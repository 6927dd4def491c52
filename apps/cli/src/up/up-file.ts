/**
 * `<home>/up.json`: says that a service runs on this home, where, and as which processes. Whoever holds the file owns the
 * home; a file whose process is dead belongs to nobody.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isAlive, ProcessRecord, recordProcess } from './process-stamp.js';

const UpFile = z.object({
  version: z.literal(1),
  /** null while the service is starting */
  url: z.string().nullable(),
  owner: ProcessRecord,
  children: z.array(ProcessRecord),
});
type UpFile = z.infer<typeof UpFile>;

/** A service runs on this home already. */
export class AlreadyUpError extends Error {
  override readonly name = 'AlreadyUpError';
  readonly code = 'already-up';

  constructor(
    home: string,
    readonly url: string | null,
    readonly pid: number,
  ) {
    super(
      `A service already runs on ${home} (process ${pid}${url ? `, at ${url}` : ', still starting'}). ` +
        'Use that one, stop it with Ctrl-C, or choose another folder with --home.',
    );
  }
}

export interface HeldUpFile {
  /** Processes that an earlier owner left behind; they may still be on their way out. */
  leftovers: ProcessRecord[];
  update(state: { url: string | null; children: ProcessRecord[] }): Promise<void>;
  release(): Promise<void>;
}

const fileOf = (home: string) => join(home, 'up.json');

/** What a file says; null where there is none; no state where it is damaged. */
async function read(path: string): Promise<{ text: string; state: UpFile | null } | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return { text, state: UpFile.safeParse(JSON.parse(text)).data ?? null };
  } catch (error) {
    if (error instanceof SyntaxError) return { text, state: null };
    throw error;
  }
}

async function writeDraft(home: string, state: UpFile): Promise<string> {
  const draft = `${fileOf(home)}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${JSON.stringify(state, null, 2)}\n`);
  return draft;
}

/** Puts `draft` in place unless there is a file. A link appears whole or not at all. */
async function settle(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Makes `path` say what `draft` says, unless a live process has it. Who replaces the file of a dead owner first takes the
 * right to replace that very text, which is a file of its own, taken the same way: so no start can remove what a faster
 * one has just put there.
 * @returns processes that the dead owner left behind
 * @throws AlreadyUpError
 */
async function take(home: string, path: string, draft: string): Promise<ProcessRecord[]> {
  for (;;) {
    if (await settle(draft, path)) return [];
    const found = await read(path);
    if (!found) continue;
    const { text, state } = found;
    if (state && (await isAlive(state.owner))) throw new AlreadyUpError(home, state.url, state.owner.pid);
    const right = `${path}.${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
    await take(home, right, draft);
    try {
      if ((await read(path))?.text !== text) continue;
      const copy = `${draft}.${randomBytes(6).toString('hex')}`;
      await link(draft, copy);
      await rename(copy, path);
      return state?.children ?? [];
    } finally {
      await rm(right);
    }
  }
}

/** Takes the home for this process. @throws AlreadyUpError where a live process has it. */
export async function holdHome(home: string): Promise<HeldUpFile> {
  await mkdir(home, { recursive: true });
  const owner = await recordProcess('rela', process.pid);
  if (!owner) throw new Error('This process does not find itself in the list of processes.');
  const draft = await writeDraft(home, { version: 1, url: null, owner, children: [] });
  let leftovers: ProcessRecord[];
  try {
    leftovers = await take(home, fileOf(home), draft);
  } finally {
    await rm(draft);
  }
  return {
    leftovers,
    async update({ url, children }) {
      await rename(await writeDraft(home, { version: 1, url, owner, children }), fileOf(home));
    },
    async release() {
      await rm(fileOf(home), { force: true });
    },
  };
}

/** Address of the live service on this home; null where none runs. */
export async function findUrl(home: string): Promise<string | null> {
  const state = (await read(fileOf(home)))?.state;
  return state && (await isAlive(state.owner)) ? state.url : null;
}
