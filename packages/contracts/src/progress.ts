/** How far work is that a worker has under way: a stage of a job, or the reading of a dataset. */
import { z } from 'zod';

export const Progress = z
  .object({
    done: z.number(),
    total: z.number(),
    unit: z.string().describe('images, steps, …'),
    rate: z.number().nullable().describe('units a second'),
    secondsLeft: z.number().nullable(),
  })
  .meta({ id: 'Progress' });
export type Progress = z.infer<typeof Progress>;
