/** Follows a job to its end and shows the way there. */
import type { Job } from '@rela/contracts';
import type { RelaClient } from '@rela/sdk';
import { createDisplay, sentenceOf } from './display.js';
import { stageProgress } from './stage-progress.js';

export interface FollowJobOptions {
  signal?: AbortSignal;
  /** Show nothing. */
  quiet?: boolean;
}

/** Events come in bursts; more often than this the state is not asked for. */
const LOOK_MS = 500;

/** Resolves with the job when it has ended, however it ended. @throws what the client throws */
export async function followJob(
  client: RelaClient,
  id: string,
  options: FollowJobOptions = {},
): Promise<Job> {
  const request = options.signal ? { signal: options.signal } : {};
  let job = await client.jobs.get(id, request);
  if (options.quiet) return client.jobs.wait(id, request);
  const display = createDisplay(job.stages.length);
  try {
    const names = new Map(job.runs.map((run) => [run.id, run.name]));
    display.show(stageProgress(job));
    let looked = performance.now();
    for await (const update of client.jobs.follow(id, request)) {
      const sentence = sentenceOf(update, names);
      if (sentence) display.say(sentence);
      if (update.type === 'progress') job = update.job;
      else if (performance.now() - looked > LOOK_MS) {
        looked = performance.now();
        job = await client.jobs.get(id, request);
      }
      display.show(stageProgress(job));
    }
    job = await client.jobs.get(id, request);
    display.show(stageProgress(job));
    return job;
  } finally {
    display.close();
  }
}
