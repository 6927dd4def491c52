/** `rela runs continue`: a finished run for longer, as a job of its own. */
import type { Job, Run } from '@rela/contracts';
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
  const { datasetId, priorId, blend } = await client.jobs.get(run.jobId);
  const { init: _init, ...spec } = run.spec;
  const longer = { ...spec, name: name ?? run.name, epochs, continueFrom: run.id };
  return client.jobs.create({
    dataset: datasetId,
    ...(spec.rela && spec.prior === undefined ? { prior: blend ? { blend } : priorId } : {}),
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
