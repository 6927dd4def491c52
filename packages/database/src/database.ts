/** The database as the rest of the service sees it: repositories over one pool of connections. */
import { whenAvailable } from './available.js';
import { connect, type Transaction, translating } from './connection.js';
import { createArtifacts, createModels } from './repositories/artifacts.js';
import { createDatasets } from './repositories/datasets.js';
import { createDeadLetters } from './repositories/dead-letters.js';
import { createEvents } from './repositories/events.js';
import { createGarbage } from './repositories/garbage.js';
import { createIdempotency } from './repositories/idempotency.js';
import { createJobs } from './repositories/jobs.js';
import { createListener } from './repositories/listener.js';
import { createOutbox } from './repositories/outbox.js';
import { createPriors } from './repositories/priors.js';
import { createRuns } from './repositories/runs.js';
import { createStages } from './repositories/stages.js';
import { createTargets } from './repositories/targets.js';

/** Whose all rows are until there are other tenants. */
const DEFAULT_TENANT = 'tnt_00000000000000000000000000000000';

export interface DatabaseOptions {
  /** Most connections of this process, the one for LISTEN not counted. Default 5. */
  connections?: number;
  /** Tries of a stage before it fails, where a worker is lost. Default 5. */
  maxAttempts?: number;
  /** Told about connections that broke; they are replaced without anybody's help. */
  onError?: (error: Error) => void;
}

/** Every method throws `DatabaseUnavailable` where the database could not be asked. */
export interface Database {
  datasets: ReturnType<typeof createDatasets>;
  priors: ReturnType<typeof createPriors>;
  artifacts: ReturnType<typeof createArtifacts>;
  models: ReturnType<typeof createModels>;
  jobs: ReturnType<typeof createJobs>;
  runs: ReturnType<typeof createRuns>;
  stages: ReturnType<typeof createStages>;
  deadLetters: ReturnType<typeof createDeadLetters>;
  targets: ReturnType<typeof createTargets>;
  outbox: ReturnType<typeof createOutbox>;
  events: ReturnType<typeof createEvents>;
  idempotency: ReturnType<typeof createIdempotency>;
  garbage: ReturnType<typeof createGarbage>;
  /** One transaction for several creations. It runs again after a deadlock, so it touches nothing but the database. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Calls `work` until the database answers; `work` has to be idempotent. */
  whenAvailable: typeof whenAvailable;
  /** Asks the server for an answer, for a readiness check. @throws DatabaseUnavailable */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a pool on a migrated database (see `migrate`).
 * @throws DatabaseUnavailable where it does not answer
 */
export async function openDatabase(url: string, options: DatabaseOptions = {}): Promise<Database> {
  const onError = options.onError ?? (() => undefined);
  const connection = connect(url, { connections: options.connections ?? 5, onError });
  const listener = createListener(url, onError);
  const { transaction, ping } = translating({
    transaction: connection.transaction,
    ping: async () => {
      await connection.prisma.$queryRaw`SELECT 1 AS one`;
    },
  });
  const close = async () => {
    await listener.close();
    await connection.close();
  };
  try {
    await ping();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    datasets: translating(createDatasets(connection)),
    priors: translating(createPriors(connection)),
    artifacts: translating(createArtifacts(connection)),
    models: translating(createModels(connection)),
    jobs: translating(createJobs(connection, DEFAULT_TENANT)),
    runs: translating(createRuns(connection)),
    stages: translating(createStages(connection, { maxAttempts: options.maxAttempts ?? 5 })),
    deadLetters: translating(createDeadLetters(connection)),
    targets: translating(createTargets(connection)),
    outbox: translating(createOutbox(connection, listener)),
    events: translating(createEvents(connection, listener)),
    idempotency: translating(createIdempotency(connection)),
    garbage: translating(createGarbage(connection)),
    transaction,
    whenAvailable,
    ping,
    close,
  };
}
