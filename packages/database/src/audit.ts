/** Reads the history of a job back and checks that it adds up: every change is an event, every event an allowed change. */
import { hasEnded, type JobEvent, JobStatus } from '@rela/contracts';
import type { Database } from './database.js';
import { TRANSITIONS } from './state/transitions.js';

/** Of jobs, runs and stages alike. */
const FINAL = new Set(JobStatus.options.filter(hasEnded) as string[]);
const EVENTS_AT_ONCE = 1000;
const STAGES_AT_ONCE = 200;

/** One thing whose state has a history: the job itself, a run or a stage. */
interface Story {
  table: 'job' | 'run' | 'stage';
  /** As the events tell it, in order. */
  told: string[];
}

function nameOf(event: JobEvent): [string, Story['table'], string] | null {
  if (event.type === 'job') return [event.jobId, 'job', event.status];
  if (event.type === 'run') return [event.runId, 'run', event.status];
  if (event.type === 'stage') return [event.stageId, 'stage', event.status];
  return null;
}

const steps = (table: Story['table']): Record<string, readonly string[]> => TRANSITIONS[table].to;

/** What a new stage waits for is no event of its own: its first one may be any that follows. */
function faultOfFirst({ table, told: [first = ''] }: Story): string | null {
  const known = TRANSITIONS[table].first;
  const isFirst = first === known || (table === 'stage' && steps(table)[known]?.includes(first));
  return isFirst ? null : `begins as ${first}`;
}

async function* eventsOf(database: Database, jobId: string): AsyncGenerator<JobEvent> {
  for (let after = 0; ; ) {
    const events = await database.events.list(jobId, after, EVENTS_AT_ONCE);
    yield* events;
    if (events.length < EVENTS_AT_ONCE) return;
    after = events.at(-1)!.sequence;
  }
}

async function* stagesOf(database: Database, jobId: string) {
  for (let cursor: string | undefined; ; ) {
    const page = await database.stages.page(jobId, { limit: STAGES_AT_ONCE, cursor });
    yield* page.items;
    if (page.next === null) return;
    cursor = page.next;
  }
}

/** @returns what does not add up, one sentence each; none of a job whose history is whole */
export async function auditJob(database: Database, jobId: string): Promise<string[]> {
  const faults: string[] = [];
  const stories = new Map<string, Story>();
  let expected = 1;
  for await (const event of eventsOf(database, jobId)) {
    if (event.sequence !== expected) faults.push(`event ${expected} of ${jobId} is missing`);
    expected = event.sequence + 1;
    const named = nameOf(event);
    if (!named) continue;
    const [id, table, status] = named;
    const story = stories.get(id) ?? { table, told: [] };
    stories.set(id, story);
    story.told.push(status);
  }
  for (const [id, story] of stories) {
    const fault = faultOfFirst(story);
    if (fault) faults.push(`${story.table} ${id} ${fault}`);
    for (const [at, status] of story.told.slice(1).entries()) {
      const before = story.told[at]!;
      if (!steps(story.table)[before]?.includes(status))
        faults.push(`${story.table} ${id} went from ${before} to ${status}`);
    }
  }
  const job = await database.jobs.get(jobId);
  if (!job) return [...faults, `there is no job ${jobId}`];
  const isOver = hasEnded(job.status);
  const compare = (table: Story['table'], id: string, status: string) => {
    const last = stories.get(id)?.told.at(-1) ?? TRANSITIONS[table].first;
    if (last !== status) faults.push(`${table} ${id} is ${status}; its history ends with ${last}`);
    if (isOver && !FINAL.has(status)) faults.push(`${table} ${id} is ${status}, though its job has ended`);
  };
  compare('job', job.id, job.status);
  if (!(await database.jobs.summaryHolds(jobId)))
    faults.push(`what was kept of ${jobId} at its end is not what its rows say`);
  for (const { id, status } of job.runs) compare('run', id, status);
  for await (const { id, status } of stagesOf(database, jobId)) compare('stage', id, status);
  return faults;
}
