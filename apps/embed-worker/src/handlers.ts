/** The stages of this worker, from claim to result. */
import { join } from 'node:path';
import type { Config } from '@rela/config';
import type { StageResult, StageResultOf } from '@rela/contracts';
import {
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
import type { AttemptContext, StageHandler, WorkerLog } from '@rela/worker';

export interface HandlerParts {
  config: Config;
  store: ArtifactStore;
  log: WorkerLog;
}

const isEmbed = (result: StageResult): result is StageResultOf<'embed'> => result.kind === 'embed';
const isJoin = (result: StageResult): result is StageResultOf<'join'> => result.kind === 'join';
const isAppraisal = (result: StageResult): result is StageResultOf<'appraise'> => result.kind === 'appraise';

export function createHandlers({ config, store, log }: HandlerParts): {
  handlers: Record<'ingest' | 'appraise' | 'choose' | 'embed' | 'join' | 'reduce', StageHandler>;
  close(): Promise<void>;
} {
  const cache = new EmbedderCache(config.threads, config.precision);
  const tools = ({ signal, progress }: AttemptContext): StageTools => ({ store, signal, progress });
  return {
    handlers: {
      async ingest(claim, context) {
        if (claim.input.kind !== 'ingest')
          throw new Error(`An ingest handler was given a ${claim.input.kind} stage.`);
        const { result, manifest } = await ingestDataset(
          claim.input,
          {
            cacheFolder: join(config.home, 'downloads'),
            maxPixels: config.maxPixels,
            openBucket: dataBuckets(config.s3),
            allowPrivateAddresses: config.privateAddresses,
            onSource: (text) => log.info({ stageId: claim.stageId }, text),
          },
          tools(context),
        );
        return { result, facts: { manifest } };
      },
      async appraise(claim, context) {
        if (claim.input.kind !== 'appraise')
          throw new Error(`An appraise handler was given a ${claim.input.kind} stage.`);
        return { result: await appraisePrior(claim.input, cache, tools(context)) };
      },
      async choose(claim, context) {
        if (claim.input.kind !== 'choose')
          throw new Error(`A choose handler was given a ${claim.input.kind} stage.`);
        const appraised = claim.dependencies.filter(isAppraisal);
        const { result, plan } = await choosePrior(claim.input, appraised, config.threads, tools(context));
        return { result, facts: { plan } };
      },
      async embed(claim, context) {
        if (claim.input.kind !== 'embed')
          throw new Error(`An embed handler was given a ${claim.input.kind} stage.`);
        return { result: await embedShard(claim.input, cache, tools(context)) };
      },
      async join(claim, context) {
        if (claim.input.kind !== 'join')
          throw new Error(`A join handler was given a ${claim.input.kind} stage.`);
        return { result: await joinEmbeddings(claim.dependencies.filter(isEmbed), tools(context)) };
      },
      async reduce(claim, context) {
        if (claim.input.kind !== 'reduce')
          throw new Error(`A reduce handler was given a ${claim.input.kind} stage.`);
        return {
          result: await reduceTargets(
            claim.input,
            claim.dependencies.filter((result) => isEmbed(result) || isJoin(result)),
            tools(context),
          ),
        };
      },
    },
    close: () => cache.close(),
  };
}
