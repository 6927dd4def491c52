/** Inspects a model that a user brings, as `inspectPrior` does, where it can do no harm: a model may loop for ever or want all memory. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProblemError } from '@rela/contracts';
import type { InspectedPrior, InspectOptions } from '@rela/prior';
import { type Limits, runLimited, withScratch } from '@rela/process';
import type { InspectionReply, InspectionWork } from './messages.js';

/** A trial batch of two images; a ViT-Large takes three seconds on one processor. */
const MILLISECONDS = 60_000;

const PROGRAM = new URL('./inspection-process.js', import.meta.url);
const SUBJECT = {
  what: 'The trial batch of the model',
  advice: 'Name an output nearer to its input, or bring a smaller model.',
};

/** @throws ProblemError `invalid-model`, as `inspectPrior`, and where the model takes more time or memory than it may */
export async function inspectModel(
  bytes: Uint8Array,
  options: InspectOptions,
  limits: Partial<Limits> = {},
): Promise<InspectedPrior> {
  return withScratch('inspection', async (folder) => {
    const [model, target] = [join(folder, 'given.onnx'), join(folder, 'model.onnx')];
    await writeFile(model, bytes);
    const work: InspectionWork = { model, target, options };
    const reply = await runLimited<InspectionWork, InspectionReply>(
      PROGRAM,
      work,
      { milliseconds: MILLISECONDS, ...limits },
      SUBJECT,
    );
    switch (reply.kind) {
      case 'inspected':
        return { ...reply.inspected, model: reply.isRewritten ? await readFile(target) : null };
      case 'refused':
        throw new ProblemError('invalid-model', reply.reason, reply.errors ?? undefined);
      default:
        return reply satisfies never;
    }
  });
}
