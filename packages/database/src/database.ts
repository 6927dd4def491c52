/** The database as the rest of the service sees it: repositories over two pools of connections. */
import { ConfigError } from '@rela/config';
import { DEFAULT_TENANT, type Tenant, TenantLimits } from '@rela/contracts';
import { whenAvailable } from './available.js';
import { connect, type Transaction, translating } from './connection.js';
import { createApiKeys } from './repositories/api-keys.js';
import { createArtifacts, createModels } from './repositories/artifacts.js';
import { createDatasets } from './repositories/datasets.js';
import { createDeadLetters } from './repositories/dead-letters.js';
import { createDeliveries } from './repositories/deliveries.js';
import { createDependencies } from './repositories/dependencies.js';
import { createEvents } from './repositories/events.js';
import { createGarbage } from './repositories/garbage.js';
import { createIdempotency } from './repositories/idempotency.js';
import { createJobs } from './repositories/jobs.js';
import { createListener } from './repositories/listener.js';
import { createOutbox } from './repositories/outbox.js';
import { createPriors } from './repositories/priors.js';
import { createQuotas } from './repositories/quotas.js';
import { createRuns } from './repositories/runs.js';
import { createSchedules } from './repositories/schedules.js';
import type { TenantScope } from './repositories/scope.js';
import { createStages } from './repositories/stages.js';
import { createTargets } from './repositories/targets.js';
import { createTenants } from './repositories/tenants.js';
import { createWebhooks } from './repositories/webhooks.js';

export interface DatabaseOptions {
  /** Most connections of this process of each of the two kinds, the one for LISTEN not counted. Default 5. */
  connections?: number;
  /** Tries of a stage before it fails, where a worker is lost. Default 5. */
  maxAttempts?: number;
  /** Told about connections that broke; they are replaced without anybody's help. */
  onError?: (error: Error) => void;
  /** TENANT_LIMITS: of tenants that have none of their own. */
  tenantLimits?: Record<string, number>;
}

/** What belongs to a tenant, as that tenant sees it: nothing else is there. */
export interface TenantDatabase {
  datasets: ReturnType<typeof createDatasets>;
  priors: ReturnType<typeof createPriors>;
  artifacts: ReturnType<typeof createArtifacts>;
  models: ReturnType<typeof createModels>;
  jobs: ReturnType<typeof createJobs>;
  runs: ReturnType<typeof createRuns>;
  stages: Pick<ReturnType<typeof createStages>, 'page'>;
  deadLetters: ReturnType<typeof createDeadLetters>;
  schedules: ReturnType<typeof createSchedules>;
  targets: ReturnType<typeof createTargets>;
  events: Pick<ReturnType<typeof createEvents>, 'list'>;
  webhooks: ReturnType<typeof createWebhooks>;
  idempotency: ReturnType<typeof createIdempotency>;
  apiKeys: ReturnType<typeof createApiKeys>;
  /** The tenant itself. */
  self(): Promise<Tenant>;
  quotas: ReturnType<typeof createQuotas>;
  /** One transaction for several creations. It runs again after a deadlock, so it touches nothing but the database. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Calls `work` until the database answers; `work` has to be idempotent. */
  whenAvailable: typeof whenAvailable;
}

/** Of all tenants; what is made by it is the default tenant's. Every method throws `DatabaseUnavailable` where the database could not be asked. */
export interface Database extends TenantDatabase {
  tenants: ReturnType<typeof createTenants>;
  stages: ReturnType<typeof createStages>;
  events: ReturnType<typeof createEvents>;
  outbox: ReturnType<typeof createOutbox>;
  dependencies: ReturnType<typeof createDependencies>;
  deliveries: ReturnType<typeof createDeliveries>;
  garbage: ReturnType<typeof createGarbage>;
  /** The same for one tenant. */
  of(tenantId: string): TenantDatabase;
  /** Asks the server for an answer, for a readiness check. @throws DatabaseUnavailable */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** @throws ConfigError naming what is wrong with TENANT_LIMITS */
function parseLimits(given: Record<string, number>): TenantLimits {
  const parsed = TenantLimits.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => [...path, message].join(': '));
  throw new ConfigError(`TENANT_LIMITS is not valid. ${faults.join('. ')}.`);
}

/** Tenants whose repositories are kept for their next request. */
const KEPT_TENANTS = 1000;

/**
 * Opens a pool on a migrated database (see `migrate`).
 * @throws DatabaseUnavailable where it does not answer
 */
export async function openDatabase(url: string, options: DatabaseOptions = {}): Promise<Database> {
  const onError = options.onError ?? (() => undefined);
  const limits = parseLimits(options.tenantLimits ?? {});
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
  const jobsOf = (tenant: TenantScope) => createJobs(connection, tenant);
  const quotasOf = (tenant: TenantScope) => createQuotas(connection, tenant);
  const sections = (tenant: TenantScope) => ({
    datasets: translating(createDatasets(connection, tenant)),
    priors: translating(createPriors(connection, tenant)),
    artifacts: translating(createArtifacts(connection, tenant)),
    models: translating(createModels(connection, tenant)),
    jobs: translating(jobsOf(tenant)),
    runs: translating(createRuns(connection, tenant)),
    stages: translating(createStages(connection, { maxAttempts: options.maxAttempts ?? 5 }, tenant)),
    deadLetters: translating(createDeadLetters(connection, tenant)),
    schedules: translating(createSchedules(connection, tenant, { listener, jobsOf, quotasOf, limits })),
    targets: translating(createTargets(connection, tenant)),
    events: translating(createEvents(connection, listener, tenant)),
    webhooks: translating(createWebhooks(connection, tenant)),
    idempotency: translating(createIdempotency(connection, tenant)),
    apiKeys: translating(createApiKeys(connection, listener, tenant)),
    quotas: translating(quotasOf(tenant)),
    self: () => tenants.get(tenant ?? DEFAULT_TENANT.id),
    transaction,
    whenAvailable,
  });
  const tenants = translating(createTenants(connection));
  const ofTenants = new Map<string, TenantDatabase>();
  return {
    ...sections(null),
    tenants,
    outbox: translating(createOutbox(connection, listener, limits)),
    dependencies: translating(createDependencies(connection)),
    deliveries: translating(createDeliveries(connection, listener)),
    garbage: translating(createGarbage(connection)),
    of(tenantId) {
      const known = ofTenants.get(tenantId);
      if (known) return known;
      if (ofTenants.size === KEPT_TENANTS) ofTenants.clear();
      const made = sections(tenantId);
      ofTenants.set(tenantId, made);
      return made;
    },
    ping,
    close,
  };
}
