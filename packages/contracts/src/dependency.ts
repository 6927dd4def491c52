/** What a job waits for: other jobs, or a run of one whose model is to be its prior. */
import { z } from 'zod';
import { Name } from './identifiers.js';

const Id = z.string().min(1).max(200);

export const RunPrior = z
  .strictObject({
    run: Id.describe(
      'the run whose model is to be the prior: its id or, with `job`, its name; it need not have ended',
    ),
    job: Id.optional().describe('id of the job that has that run'),
    name: Name.optional().describe('of the prior that its model becomes; absent: name and id of the run'),
  })
  .meta({ id: 'RunPrior' });
export type RunPrior = z.infer<typeof RunPrior>;

/** Jobs that have to succeed first. */
export const After = z
  .array(Id)
  .max(64)
  .default([])
  .describe('ids of jobs that have to succeed before anything of this one starts; they need not have ended');

export const JobDependency = z
  .object({
    jobId: z.string(),
    runId: z.string().nullable().describe('the run whose model becomes the prior; null of a whole job'),
    met: z.boolean().describe('whether the job has gone on with it'),
  })
  .meta({ id: 'JobDependency' });
export type JobDependency = z.infer<typeof JobDependency>;
