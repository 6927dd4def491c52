/**
 * An export where it is written. What it will hold is written down first, in `unfinished.json`; every file appears under its name when
 * it is whole; in the end `targets.json` takes the place of `unfinished.json`. So an export that was cut short is told from a whole one,
 * and goes on.
 */
import { ExportManifest, ProblemError } from '@rela/contracts';
import type { ExportPlace } from './export-place.js';

const UNFINISHED = 'unfinished.json';
const FINISHED = 'targets.json';

export class PreparedExport {
  private constructor(
    private readonly place: ExportPlace,
    private readonly manifest: ExportManifest,
  ) {}

  /**
   * Begins an export, or finds the same one, cut short.
   * @param force what an earlier export wrote goes away; files of others are written over where they have the names of this one
   * @throws ProblemError `conflict` where something would be written over
   */
  static async begin(place: ExportPlace, manifest: ExportManifest, force: boolean): Promise<PreparedExport> {
    const finished = await readManifest(place, FINISHED);
    const unfinished = await readManifest(place, UNFINISHED);
    const prepared = new PreparedExport(place, manifest);
    if (!force && !finished && unfinished && JSON.stringify(unfinished) === JSON.stringify(manifest))
      return prepared;
    if (!force) await refuseToOverwrite(place, manifest, { finished, unfinished });
    // The manifests go first: without them no half of an export looks like a whole one.
    for (const file of [FINISHED, UNFINISHED]) await place.remove(file);
    const earlier = [...(finished?.shards ?? []), ...(unfinished?.shards ?? [])];
    for (const file of earlier.flatMap(({ files }) => files)) await place.remove(file);
    await place.write(UNFINISHED, JSON.stringify(manifest, null, 2));
    return prepared;
  }

  /** Whether the shard is written. */
  async has(shard: number): Promise<boolean> {
    for (const file of this.#files(shard)) if (!(await this.place.has(file))) return false;
    return true;
  }

  /** Lets `write` fill the files of a shard, which then appear. */
  add(shard: number, write: (paths: string[]) => Promise<void>): Promise<void> {
    return this.place.add(this.#files(shard), write);
  }

  async finish(): Promise<void> {
    await this.place.write(FINISHED, JSON.stringify(this.manifest, null, 2));
    await this.place.remove(UNFINISHED);
  }

  #files(shard: number): string[] {
    return this.manifest.shards[shard]?.files ?? [];
  }
}

async function refuseToOverwrite(
  place: ExportPlace,
  manifest: ExportManifest,
  { finished, unfinished }: Record<'finished' | 'unfinished', ExportManifest | null>,
): Promise<void> {
  const refuse = (what: string) =>
    new ProblemError(
      'conflict',
      `${place.name} ${what}. Name another folder, or write over it with --force.`,
    );
  if (finished) throw refuse('holds an export already');
  if (unfinished) throw refuse('holds another export that was cut short');
  for (const file of manifest.shards.flatMap(({ files }) => files))
    if (await place.has(file)) throw refuse(`holds a file ${file} already`);
}

/** null where there is none. @throws ProblemError `conflict` where the file is another program's */
async function readManifest(place: ExportPlace, file: string): Promise<ExportManifest | null> {
  const text = await place.read(file);
  if (text === null) return null;
  try {
    return ExportManifest.parse(JSON.parse(text));
  } catch (error) {
    throw new ProblemError(
      'conflict',
      `${place.name} has a file ${file} that is not of an export of targets. Name another folder.`,
      undefined,
      { cause: error },
    );
  }
}
