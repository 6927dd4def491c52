/**
 * `<home>/up.json`: says that a service runs on this home, where, and as which processes. Whoever holds the file owns the
 * home; a file whose process is dead belongs to nobody.
 */
import { randomBytes } from 'node:crypto';
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

/** What the file says; null where there is none, or nothing that can be read. */
async function read(home: string): Promise<{ text: string; state: UpFile | null } | null> {
  let text: string;
  try {
    text = await readFile(fileOf(home), 'utf8');
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

/** Moves away the file of a dead owner, and only that one: another start may have been faster. */
async function clear(home: string, seen: string): Promise<void> {
  const path = fileOf(home);
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if ((await readFile(aside, 'utf8')) !== seen) await settle(aside, path);
  await rm(aside);
}

/** Takes the home for this process. @throws AlreadyUpError where a live process has it. */
export async function holdHome(home: string): Promise<HeldUpFile> {
  await mkdir(home, { recursive: true });
  const owner = await recordProcess('rela', process.pid);
  if (!owner) throw new Error('This process does not find itself in the list of processes.');
  let leftovers: ProcessRecord[] = [];
  const draft = await writeDraft(home, { version: 1, url: null, owner, children: [] });
  try {
    while (!(await settle(draft, fileOf(home)))) {
      const found = await read(home);
      if (!found) continue;
      const { state, text } = found;
      if (state && (await isAlive(state.owner))) throw new AlreadyUpError(home, state.url, state.owner.pid);
      leftovers = state?.children ?? [];
      await clear(home, text);
    }
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
  const state = (await read(home))?.state;
  return state && (await isAlive(state.owner)) ? state.url : null;
}
