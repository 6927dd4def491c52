/** Registers a prior: the model is opened and run once, then written down with its preprocessing. */
import type { Prior, PriorCreate } from '@rela/contracts';
import { priorDigest } from '@rela/prior';
import type { TenantDependencies } from '../dependencies.js';
import { inspectModel } from '../inspection/inspect-model.js';
import { readModel } from './model-bytes.js';

export const ONNX_TYPE = 'application/onnx';

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
  await database.artifacts.record({ digest: model, bytes, mediaType: ONNX_TYPE });
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
