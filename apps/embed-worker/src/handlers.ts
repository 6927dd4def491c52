/** The stages of this worker, from claim to result. */
import { join } from 'node:path';
import type { Config } from '@rela/config';
import type { StageInputOf, StageKind, StageResult, StageResultOf } from '@rela/contracts';
import {
  adoptModel,
  appraisePrior,
  choosePrior,
  EmbedderCache,
  embedShard,
  ingestDataset,
  joinEmbeddings,
  reduceTargets,
  type StageTools,
} from '@rela/stages';
import { type ArtifactStore, dataBuckets } from '@rela/storage';
import { type AttemptContext, ownerOf, type StageHandler, type WorkerLog } from '@rela/worker';

export interface HandlerParts {
  config: Config;
  store: ArtifactStore;
  log: WorkerLog;
}

const isEmbed = (result: StageResult): result is StageResultOf<'embed'> => result.kind === 'embed';
const isJoin = (result: StageResult): result is StageResultOf<'join'> => result.kind === 'join';
const isAppraisal = (result: StageResult): result is StageResultOf<'appraise'> => result.kind === 'appraise';

/** What a handler works on. @throws Error where the stage is of another kind, which its queue does not bring */
function inputOf<Kind extends StageKind>(
  kind: Kind,
  { input }: Pick<Parameters<StageHandler>[0], 'input'>,
): StageInputOf<Kind> {
  if (input.kind !== kind) throw new Error(`The handler of ${kind} was given a stage of ${input.kind}.`);
  return input as StageInputOf<Kind>;
}

export function createHandlers({ config, store, log }: HandlerParts): {
  handlers: Record<'ingest' | 'adopt' | 'appraise' | 'choose' | 'embed' | 'join' | 'reduce', StageHandler>;
  close(): Promise<void>;
} {
  const cache = new EmbedderCache(config.threads, config.precision);
  const tools = async (
    claim: Parameters<StageHandler>[0],
    { signal, progress }: AttemptContext,
  ): Promise<StageTools> => {
    // A worker that was killed could not remove what it was writing.
    if (claim.fence > 1) await store.discard(claim.stageId);
    return { store: store.ownedBy(ownerOf(claim)), signal, progress };
  };
  return {
    handlers: {
      async ingest(claim, context) {
        const input = inputOf('ingest', claim);
        const { result, manifest } = await ingestDataset(
          input,
          {
            cacheFolder: join(config.home, 'downloads'),
            maxPixels: config.maxPixels,
            openBucket: dataBuckets(config.s3),
            allowPrivateAddresses: config.privateAddresses,
            onSource: (text) => log.info({ stageId: claim.stageId }, text),
          },
          await tools(claim, context),
        );
        return { result, facts: { manifest } };
      },
      async adopt(claim, context) {
        const input = inputOf('adopt', claim);
        const { result, plan } = await adoptModel(input, await tools(claim, context));
        return { result, facts: { plan } };
      },
      async appraise(claim, context) {
        const input = inputOf('appraise', claim);
        return { result: await appraisePrior(input, cache, await tools(claim, context)) };
      },
      async choose(claim, context) {
        const input = inputOf('choose', claim);
        const appraised = claim.dependencies.filter(isAppraisal);
        const { result, plan } = await choosePrior(
          input,
          appraised,
          config.threads,
          await tools(claim, context),
        );
        return { result, facts: { plan } };
      },
      async embed(claim, context) {
        const input = inputOf('embed', claim);
        return { result: await embedShard(input, cache, await tools(claim, context)) };
      },
      async join(claim, context) {
        inputOf('join', claim);
        return {
          result: await joinEmbeddings(claim.dependencies.filter(isEmbed), await tools(claim, context)),
        };
      },
      async reduce(claim, context) {
        const input = inputOf('reduce', claim);
        return {
          result: await reduceTargets(
            input,
            claim.dependencies.filter((result) => isEmbed(result) || isJoin(result)),
            await tools(claim, context),
          ),
        };
      },
    },
    close: () => cache.close(),
  };
}
