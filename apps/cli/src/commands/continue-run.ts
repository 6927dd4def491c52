/** `rela runs continue`: a finished run for longer, as a job of its own. */
import { type Job, ProblemError, type Run } from '@rela/contracts';
import type { JobInput, RelaClient } from '@rela/sdk';
import type { Command } from 'commander';
import { parseNumber } from './arguments.js';
import { openSession } from './session.js';

interface ContinueOptions {
  epochs: number;
  name?: string;
}

/** The job that goes on with `run`: the same data, prior and training, and more epochs. */
async function continueRun(client: RelaClient, run: Run, { epochs, name }: ContinueOptions): Promise<Job> {
  const { datasetId, priorId } = await client.jobs.get(run.jobId);
  const { init: _init, ...spec } = run.spec;
  if (spec.rela && priorId === null)
    throw new ProblemError(
      'invalid-request',
      `The targets of run ${run.id} come from a blend of priors, and its job does not say with which weights. Submit a job with that blend as its prior and continueFrom: ${run.id} in its run.`,
    );
  const longer = { ...spec, name: name ?? run.name, epochs, continueFrom: run.id };
  return client.jobs.create({
    dataset: datasetId,
    ...(spec.rela ? { prior: priorId } : {}),
    runs: [longer],
  } as JobInput);
}

export function addContinue(runs: Command): void {
  runs
    .command('continue')
    .description('go on with a finished run from its last step')
    .argument('<run>', 'id')
    .requiredOption('--epochs <n>', 'in all, from the beginning of the finished run', parseNumber)
    .option('--name <name>', "of the new run; default: the finished run's")
    .action(async (id: string, options: ContinueOptions, command: Command) => {
      const { client, output } = await openSession(command);
      const job = await continueRun(client, await client.runs.get(id), options);
      output.result(job, () => `${job.id} is ${job.status}. Follow it with: rela jobs follow ${job.id}`);
    });
}
