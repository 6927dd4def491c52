/**
 * The folder of an export. What it will hold is written down first, in `unfinished.json`; every file appears under its name when
 * it is whole; in the end `unfinished.json` becomes `targets.json`. So an export that was cut short is told from a whole one, and goes on.
 */
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProblemError } from '@rela/contracts';
import { z } from 'zod';

const FileName = z.string().regex(/^[\w-]+\.(npy|json|parquet|tar)$/);

export const ExportManifest = z.object({
  version: z.literal(1),
  format: z.enum(['npy', 'parquet', 'webdataset']),
  /** Digests of the targets, the data set and the prior. */
  targets: z.string(),
  dataset: z.string(),
  prior: z.string(),
  /** Floats a target. */
  k: z.int(),
  /** Rows in all. */
  count: z.int(),
  /** Class names by label, null without labels. */
  classes: z.array(z.string()).nullable(),
  labels: z.boolean(),
  images: z.boolean(),
  shards: z.array(z.object({ count: z.int(), files: z.array(FileName) })),
});
export type ExportManifest = z.infer<typeof ExportManifest>;

const UNFINISHED = 'unfinished.json';
const FINISHED = 'targets.json';

export class ExportFolder {
  private constructor(
    private readonly folder: string,
    private readonly manifest: ExportManifest,
  ) {}

  /**
   * Makes the folder, or finds the same export in it, cut short.
   * @param force what an earlier export wrote goes away; files of others are written over where they have the names of this one
   * @throws ProblemError `conflict` where something would be written over
   */
  static async prepare(folder: string, manifest: ExportManifest, force: boolean): Promise<ExportFolder> {
    await mkdir(folder, { recursive: true });
    const finished = await readManifest(join(folder, FINISHED));
    const unfinished = await readManifest(join(folder, UNFINISHED));
    const prepared = new ExportFolder(folder, manifest);
    if (!force && !finished && unfinished && JSON.stringify(unfinished) === JSON.stringify(manifest))
      return prepared;
    if (!force) await refuseToOverwrite(folder, manifest, { finished, unfinished });
    // The manifests go first: without them no half of an export looks like a whole one.
    for (const name of [FINISHED, UNFINISHED]) await rm(join(folder, name), { force: true });
    const earlier = [...(finished?.shards ?? []), ...(unfinished?.shards ?? [])];
    for (const name of earlier.flatMap(({ files }) => files)) await rm(join(folder, name), { force: true });
    await writeFile(join(folder, UNFINISHED), JSON.stringify(manifest, null, 2));
    return prepared;
  }

  /** Whether the shard is written. */
  async has(shard: number): Promise<boolean> {
    for (const name of this.manifest.shards[shard]?.files ?? [])
      if (!(await exists(join(this.folder, name)))) return false;
    return true;
  }

  /** Lets `write` fill the files of a shard, which then appear. */
  async add(shard: number, write: (paths: string[]) => Promise<void>): Promise<void> {
    const paths = (this.manifest.shards[shard]?.files ?? []).map((name) => join(this.folder, name));
    const partial = paths.map((path) => `${path}.part`);
    try {
      await write(partial);
      for (const [at, path] of paths.entries()) await rename(partial[at]!, path);
    } catch (error) {
      for (const path of partial) await rm(path, { force: true });
      throw error;
    }
  }

  async finish(): Promise<void> {
    await rename(join(this.folder, UNFINISHED), join(this.folder, FINISHED));
  }
}

async function refuseToOverwrite(
  folder: string,
  manifest: ExportManifest,
  { finished, unfinished }: Record<'finished' | 'unfinished', ExportManifest | null>,
): Promise<void> {
  const refuse = (what: string) =>
    new ProblemError('conflict', `${folder} ${what}. Name another folder, or write over it with --force.`);
  if (finished) throw refuse('holds an export already');
  if (unfinished) throw refuse('holds another export that was cut short');
  for (const name of manifest.shards.flatMap(({ files }) => files))
    if (await exists(join(folder, name))) throw refuse(`holds a file ${name} already`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** null where there is none. @throws ProblemError `conflict` where the file is another program's */
async function readManifest(path: string): Promise<ExportManifest | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return ExportManifest.parse(JSON.parse(text));
  } catch (error) {
    throw new ProblemError(
      'conflict',
      `${path} is there already and is not of an export of targets. Name another folder.`,
      undefined,
      { cause: error },
    );
  }
}
