/** Events: what happened to a job, in order, without gaps. They are the body of the event stream. */
import { z } from 'zod';
import { Timestamp } from './identifiers.js';
import { JobStatus, RunStatus } from './job.js';
import { StageKind, StageStatus } from './stage.js';

const about = {
  at: Timestamp,
  jobId: z.string(),
  sequence: z.int().positive().describe('1, 2, 3, … in the job'),
};

export const JobEvent = z
  .discriminatedUnion('type', [
    z.object({ ...about, type: z.literal('job'), status: JobStatus, error: z.string().nullable() }),
    z.object({
      ...about,
      type: z.literal('run'),
      runId: z.string(),
      name: z.string(),
      status: RunStatus,
      error: z.string().nullable(),
    }),
    z.object({
      ...about,
      type: z.literal('stage'),
      stageId: z.string(),
      runId: z.string().nullable(),
      kind: StageKind,
      status: StageStatus,
      attempt: z.int(),
      reused: z.boolean(),
      error: z.string().nullable(),
    }),
    z.object({ ...about, type: z.literal('switch'), runId: z.string(), step: z.int() }),
    z.object({ ...about, type: z.literal('checkpoint'), runId: z.string(), step: z.int() }),
    z.object({ ...about, type: z.literal('warning'), stageId: z.string(), text: z.string() }),
  ])
  .meta({ id: 'JobEvent' });
export type JobEvent = z.infer<typeof JobEvent>;
/** An event before it has its place in the job. */
export type NewJobEvent = JobEvent extends infer E
  ? E extends JobEvent
    ? Omit<E, 'at' | 'jobId' | 'sequence'>
    : never
  : never;
