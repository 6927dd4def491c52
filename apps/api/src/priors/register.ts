/** Registers a prior: the model is opened and run once, then written down with its preprocessing. */
import { FILE_TYPES, type Prior, type PriorCreate } from '@rela/contracts';
import { priorDigest } from '@rela/prior';
import { inspectModel } from '@rela/stages';
import type { TenantDependencies } from '../dependencies.js';
import { readModel } from './model-bytes.js';

/** @throws ProblemError `invalid-model` where it cannot be a prior, `invalid-request` for what has to be given */
export async function registerPrior(
  { database, store, config }: Pick<TenantDependencies, 'database' | 'store' | 'config'>,
  { name, ...asked }: PriorCreate,
): Promise<Prior> {
  const { source, output, preprocessing } = asked;
  const given = await readModel({ database, store, config }, asked);
  const inspected = await inspectModel(given, {
    ...(output === undefined ? {} : { output }),
    ...(preprocessing === undefined ? {} : { preprocessing }),
  });
  const { digest: model, bytes } = await store.write(inspected.model ?? given);
  await database.artifacts.record({ digest: model, bytes, mediaType: FILE_TYPES.onnx });
  return database.priors.create({
    name,
    source,
    model,
    digest: priorDigest({ ...inspected, model }),
    input: inspected.input,
    output: inspected.output,
    pool: inspected.pool,
    batch: inspected.batch,
    width: inspected.width,
    preprocessing: inspected.preprocessing,
  });
}
