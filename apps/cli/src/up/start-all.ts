/** The whole service on one machine: a database where none is given, and the four parts as supervised processes. */
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Config, childEnvironment, loadConfig } from '@rela/config';
import { type EmbeddedPostgres, migrate, openDatabase, startEmbeddedPostgres } from '@rela/database';
import { makeFirstKey } from './first-key.js';
import { waitForLeftovers } from './leftovers.js';
import { createPart, type Part } from './part.js';
import { PARTS, type PartName, programOf } from './parts.js';
import { type ProcessRecord, recordProcess } from './process-stamp.js';
import { holdHome } from './up-file.js';

export interface StartOptions {
  /** Folder of everything that is kept. Default: RELA_HOME. */
  home?: string;
  /** Port of the API; 0 takes a free one. Default: API_PORT. */
  port?: number;
  /** Settings by variable name, over those of this process. */
  environment?: Record<string, string>;
  /** Told, in a sentence, what a person may want to know: a part that died and comes back, data kept elsewhere. */
  onNotice?: (text: string) => void;
  /** Gives up starting; what was begun is taken down again. Does nothing to a service that is up. */
  signal?: AbortSignal;
}

export interface ServiceProcess {
  name: PartName;
  /** null while the part is being started again */
  pid: number | null;
}

export interface Service {
  /** Address of the API. */
  url: string;
  home: string;
  /** The key that this start made, being the first one; null where there was one. */
  firstKey: string | null;
  readonly children: ServiceProcess[];
  /** Process of the embedded database; null where another one is used. */
  databasePid(): Promise<number | null>;
  /** Stops the parts, then the database. Resolves when no process is left. */
  stop(): Promise<void>;
  /** As `stop`, without waiting for what the parts are doing: their stages are run again at the next start. */
  kill(): void;
}

/** The port of the API is taken. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
  readonly code = 'port-taken';
}

async function checkPort(host: string, port: number): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(port, host, () => probe.close(() => resolve()));
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new PortTakenError(
      `Port ${port} on ${host} is taken by another program. Choose another one with --port, or --port 0 for a free one.`,
    );
  });
}

/** What the parts are told: the settings of this process, and where the database is. */
function partEnvironment(
  config: Config,
  environment: Record<string, string>,
  databaseUrl: string,
  port: number,
) {
  return childEnvironment({
    ...environment,
    DATABASE_URL: databaseUrl,
    QUEUE_URL: config.queueUrl ?? databaseUrl,
    STORAGE_URL: config.storageUrl,
    RELA_HOME: config.home,
    API_HOST: config.api.host,
    API_PORT: String(port),
  });
}

function portOf(url: string): number {
  return Number(new URL(url).port || 80);
}

/**
 * Starts everything and resolves when every part is up. What was begun is taken down again where it fails.
 * @throws AlreadyUpError, PortTakenError, PartFailedError, ConfigError, EmbeddedPostgresError, MigrationError, the signal's reason
 */
export async function startAll(options: StartOptions = {}): Promise<Service> {
  const environment = {
    ...options.environment,
    ...(options.home === undefined ? {} : { RELA_HOME: options.home }),
    ...(options.port === undefined ? {} : { API_PORT: String(options.port) }),
  };
  const config = loadConfig(childEnvironment(environment));
  const notice = options.onNotice ?? (() => undefined);
  const held = await holdHome(config.home);
  let postgres: EmbeddedPostgres | null = null;
  const parts: Part[] = [];
  let url: string | null = null;
  let writing: Promise<void> = Promise.resolve();

  const record = (): Promise<void> => {
    // One write after the other; one that failed does not hold up the next.
    writing = Promise.allSettled([writing]).then(async () => {
      const records = await Promise.all(
        parts.map(
          async ({ name, pid }): Promise<ProcessRecord | null> =>
            pid === null ? null : recordProcess(name, pid),
        ),
      );
      await held.update({ url, children: records.filter((found) => found !== null) });
    });
    return writing;
  };
  let ending: Promise<void> | null = null;
  const end = async () => {
    await Promise.all(parts.map((part) => part.stop()));
    await Promise.allSettled([writing]);
    try {
      await postgres?.stop();
    } finally {
      await held.release();
    }
  };
  const stop = () => {
    ending ??= end();
    return ending;
  };

  const { signal } = options;
  // Parts that are stopped before they are up make their start fail, and with it everything.
  const abort = () => {
    for (const part of parts) void part.stop();
  };
  signal?.addEventListener('abort', abort, { once: true });
  try {
    signal?.throwIfAborted();
    if (!config.databaseUrl)
      postgres = await startEmbeddedPostgres({ folder: join(config.home, 'postgres'), onNotice: notice });
    const databaseUrl = config.databaseUrl ?? postgres?.url ?? '';
    await waitForLeftovers(held.leftovers, notice);
    signal?.throwIfAborted();
    await checkPort(config.api.host, config.api.port);
    await migrate(databaseUrl);
    const database = await openDatabase(databaseUrl, { connections: 1 });
    const firstKey = await makeFirstKey(database, config.home).finally(database.close);
    const logs = join(config.home, 'logs');
    await mkdir(logs, { recursive: true });
    signal?.throwIfAborted();
    for (const name of PARTS)
      parts.push(
        createPart({
          name,
          program: programOf(name),
          logFile: join(logs, `${name}.log`),
          // An API that comes back has to be found where it was.
          environment: () =>
            partEnvironment(config, environment, databaseUrl, url ? portOf(url) : config.api.port),
          onNotice: notice,
          onChange: () => {
            record().catch((error: Error) =>
              notice(`${config.home}/up.json cannot be written: ${error.message}`),
            );
          },
        }),
      );
    const up = async (part: Part) => {
      await part.start();
      url ??= part.url;
    };
    await Promise.all(parts.map(up));
    signal?.throwIfAborted();
    if (!url) throw new Error('The API came up without saying where.');
    await record();
    return {
      url,
      home: config.home,
      firstKey,
      get children() {
        return parts.map(({ name, pid }) => ({ name, pid }));
      },
      databasePid: async () => (postgres ? postgres.pid() : null),
      stop,
      kill() {
        for (const part of parts) part.kill();
      },
    };
  } catch (error) {
    await stop().catch((after: Error) => notice(`Something may be left running: ${after.message}`));
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
