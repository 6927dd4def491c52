/** The adopt stage: the model that a run of another job has trained becomes a prior, and the rest of the job is planned with it. */
import type { JobPlan, Prior, StageInputOf, StageResultOf } from '@rela/contracts';
import { priorDigest } from '@rela/prior';
import { inspectModel } from './inspection/inspect-model.js';
import { planRest } from './plan-rest.js';
import { type StageTools, secondsSince } from './tools.js';

/**
 * Looks at the model as POST /v1/priors does. The prior is written down, and gets its id, with the result.
 * @throws ProblemError `invalid-model`
 */
export async function adoptModel(
  input: StageInputOf<'adopt'>,
  { store, signal }: StageTools,
): Promise<{ result: StageResultOf<'adopt'>; plan: JobPlan }> {
  const started = performance.now();
  const { name, model: trained } = input;
  if (trained === null) throw new Error('An adopt stage was started before its run had a model.');
  const given = await store.read(trained);
  const { model: rewritten, ...inspected } = await inspectModel(given, {});
  signal.throwIfAborted();
  const { digest: model, bytes } = await store.write(rewritten ?? given, { signal });
  const prior: StageResultOf<'adopt'>['prior'] = {
    ...{ name, source: { kind: 'model', digest: trained }, model },
    ...{ digest: priorDigest({ ...inspected, model }), ...inspected },
  };
  const known: Prior = { ...prior, id: 'adopted', createdAt: new Date(0).toISOString() };
  const plan = await planRest(input, known, { store, appraised: false });
  return { result: { kind: 'adopt', prior, modelBytes: bytes, seconds: secondsSince(started) }, plan };
}
