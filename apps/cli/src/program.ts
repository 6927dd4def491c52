/** The command line: which commands there are. What they do is the service's; here it is asked for and shown. */
import { Command } from 'commander';
import { parseUrl } from './commands/arguments.js';
import { addBackup } from './commands/backup.js';
import { addBatch } from './commands/batch.js';
import { addDatasets } from './commands/datasets.js';
import { addEngines } from './commands/engines.js';
import { addJobs, addRun } from './commands/jobs.js';
import { addKeys } from './commands/keys.js';
import { addPriors } from './commands/priors.js';
import { addModels, addRuns } from './commands/runs.js';
import { addSchedules } from './commands/schedules.js';
import { addTargets } from './commands/targets.js';
import { addTenants } from './commands/tenants.js';
import { addUp } from './commands/up.js';
import { addWebhooks } from './commands/webhooks.js';

export function createProgram(version: string): Command {
  const program = new Command('rela')
    .description('training acceleration as a service')
    .version(version)
    .option('--json', 'one JSON document on stdout, errors as problem documents on stderr')
    .option('--url <address>', 'address of the service; default: the one that `rela up` runs', parseUrl)
    .option('--home <folder>', 'folder of `rela up`; default: RELA_HOME');
  for (const add of [
    addUp,
    addDatasets,
    addPriors,
    addRun,
    addJobs,
    addSchedules,
    addRuns,
    addModels,
    addTargets,
    addWebhooks,
    addEngines,
    addBatch,
    addBackup,
    addKeys,
    addTenants,
  ])
    add(program);
  return program;
}
