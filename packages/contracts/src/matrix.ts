/** The matrix of a job: fields of its runs with several values each, every combination of which becomes a run. */
import { z } from 'zod';

/** Most runs of a job, those that its matrix makes counted. */
export const MAX_RUNS = 64;

export const Combination = z.record(z.string(), z.unknown());
export type Combination = z.infer<typeof Combination>;

export const Matrix = z
  .object({
    exclude: z
      .array(Combination)
      .max(100)
      .optional()
      .describe(
        'combinations to leave out: { seed: 1, prior: random } is all that have both. `run` names the one run that it is about',
      ),
    include: z
      .array(Combination)
      .max(100)
      .optional()
      .describe('combinations beside those of the axes. `run` names the one run that it is for'),
  })
  .catchall(
    z
      .array(z.unknown())
      .min(1, { error: 'has no value: give one or more, or leave the axis out' })
      .max(256)
      .describe('an axis: a field of a run, and the values that it is to have'),
  )
  .meta({
    id: 'Matrix',
    description:
      'Fields of a run with several values each, such as seed, dataRatio, prior or optimizer.learningRate. Every combination becomes a run of each run of the job; those without ReLA are not multiplied by prior and rela.…',
  });
export type Matrix = z.infer<typeof Matrix>;
