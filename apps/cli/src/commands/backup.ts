/** `rela backup` and `rela restore`: all that a service knows, in one file. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Contents, Place } from '../backup/archive.js';
import { UsageError } from '../output/failure.js';
import { formatBytes } from '../output/format.js';
import { createOutput } from '../output/output.js';
import { findUrl } from '../up/up-file.js';
import { withDatabase } from '../up/with-database.js';
import { configOf, type GlobalOptions } from './session.js';

const described = ({ rows, artifacts, bytes }: Contents) =>
  `${rows} rows and ${artifacts} artifacts (${formatBytes(bytes)})`;

/** Where the service of the settings keeps things. */
async function withPlace<T>(options: GlobalOptions, work: (place: Place) => Promise<T>): Promise<T> {
  const { openStore } = await import('@rela/storage');
  const config = configOf(options);
  const store = openStore(config.storageUrl, { cacheFolder: join(config.home, 'cache') });
  return withDatabase(config, (databaseUrl) => work({ databaseUrl, store }));
}

export function addBackup(program: Command): void {
  program
    .command('backup')
    .description('write all that the service knows, artifacts included, to one file; it may be running')
    .argument('<file>', 'tar to be written')
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { writeBackup } = await import('../backup/archive.js');
      const contents = await withPlace(options, (place) => writeBackup(place, resolve(file)));
      createOutput(options.json === true).result(
        { file: resolve(file), ...contents },
        () => `${file} holds ${described(contents)}.`,
      );
    });
  program
    .command('restore')
    .description('put a backup into an empty database; the service must not be running')
    .argument('<file>', 'tar that `rela backup` wrote')
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { home } = configOf(options);
      if (await findUrl(home))
        throw new UsageError(`A service runs on ${home}. Stop it, or restore into another --home.`);
      const { restoreBackup } = await import('../backup/archive.js');
      const contents = await withPlace(options, (place) => restoreBackup(resolve(file), place));
      createOutput(options.json === true).result(
        { home, ...contents },
        () => `Put back ${described(contents)}. Start the service with: rela up`,
      );
    });
}
