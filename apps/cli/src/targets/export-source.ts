/** What an export reads, fetched from a service: targets and images are artifacts there. */
import { DatasetManifest, ProblemError, TargetsManifest } from '@rela/contracts';
import type { ExportSource } from '@rela/datasets';
import { RelaApiError, type RelaClient } from '@rela/sdk';
import type { z } from 'zod';
import type { MadeTargets } from './find-targets.js';

/** Runs a download; where the service does not have the bytes any more, says what that means. */
async function orGone<T>(gone: string, download: () => Promise<T>): Promise<T> {
  try {
    return await download();
  } catch (error) {
    if (error instanceof RelaApiError && error.code === 'not-found')
      throw new ProblemError('not-found', gone, undefined, { cause: error });
    throw error;
  }
}

async function readManifest<T extends z.ZodType>(
  schema: T,
  bytes: Uint8Array,
  digest: string,
): Promise<z.output<T>> {
  const parsed = schema.safeParse(JSON.parse(Buffer.from(bytes).toString()));
  if (parsed.success) return parsed.data;
  throw new ProblemError('invalid-data', `${digest} is no manifest: ${parsed.error.message}`);
}

/** @throws ProblemError `not-found` where the targets' own bytes are gone, `invalid-data` where they do not fit the data set */
export async function openExportSource(
  client: RelaClient,
  { digest, dataset, prior, k, datasetId, jobId }: MadeTargets,
  signal: AbortSignal,
): Promise<ExportSource> {
  const { artifacts } = client;
  const remake = `The targets ${digest} are gone from the storage of the service. Submit their job ${jobId} again, or, where it has one prior: rela targets make ${datasetId} --prior ${prior} --k ${k}`;
  const lost = `Images of the data set ${datasetId} are gone from the storage of the service. Register the data set again; or write the targets alone, without --images and with --no-labels.`;
  const read = (artifact: string) => orGone(remake, () => artifacts.read(artifact, { signal }));
  const targets = await readManifest(TargetsManifest, await read(digest), digest);
  const manifest = await readManifest(
    DatasetManifest,
    await orGone(lost, () => artifacts.read(dataset, { signal })),
    dataset,
  );
  const { shards } = manifest.splits.train;
  const fit = targets.shards.length === shards.length;
  if (!fit || targets.shards.some(({ count }, at) => count !== shards[at]?.count))
    throw new ProblemError(
      'invalid-data',
      `The targets ${digest} are not of the data set ${dataset}: their shards differ. Make them again.`,
    );
  return {
    ...{ targets: digest, dataset, prior, k },
    classes: manifest.classes,
    channels: manifest.channels,
    imageSize: manifest.imageSize,
    shards: shards.map((images, at) => ({ images, targets: targets.shards[at]?.digest ?? '' })),
    read,
    open: (artifact) => orGone(lost, async () => (await artifacts.open(artifact, { signal })).body),
    download: (artifact, path) => orGone(lost, () => artifacts.download(artifact, path, { signal })),
  };
}
