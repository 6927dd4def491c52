/** `rela backup` and `rela restore`: all that a service knows, in one file. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Contents, Place } from '../backup/archive.js';
import { UsageError } from '../output/failure.js';
import { formatBytes } from '../output/format.js';
import { createOutput } from '../output/output.js';
import { findUrl } from '../up/up-file.js';
import { configOf, type GlobalOptions } from './session.js';

const described = ({ rows, artifacts, bytes }: Contents) =>
  `${rows} rows and ${artifacts} artifacts (${formatBytes(bytes)})`;

/** Where the service of the settings keeps things; a database of `rela up` is started for as long as `work` takes where none runs. */
async function withPlace<T>(options: GlobalOptions, work: (place: Place) => Promise<T>): Promise<T> {
  // The database's libraries are large, and most commands do without them.
  const { embeddedPostgresUrl, startEmbeddedPostgres } = await import('@rela/database');
  const { openStore } = await import('@rela/storage');
  const config = configOf(options);
  const store = openStore(config.storageUrl, { cacheFolder: join(config.home, 'cache') });
  if (config.databaseUrl) return work({ databaseUrl: config.databaseUrl, store });
  const folder = join(config.home, 'postgres');
  const running = (await findUrl(config.home)) === null ? null : await embeddedPostgresUrl(folder);
  if (running) return work({ databaseUrl: running, store });
  const postgres = await startEmbeddedPostgres({ folder });
  try {
    return await work({ databaseUrl: postgres.url, store });
  } finally {
    await postgres.stop();
  }
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
