/** The database: schema and migrations, repositories that own the state machines, the outbox, an embedded Postgres. */
export { auditJob } from './audit.js';
export type { Transaction } from './connection.js';
export { type Database, type DatabaseOptions, openDatabase, type TenantDatabase } from './database.js';
export { type EmbeddedPostgresCode, EmbeddedPostgresError } from './embedded/error.js';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  embeddedPostgresUrl,
  startEmbeddedPostgres,
} from './embedded/start.js';
export { DatabaseUnavailable, MigrationError } from './errors.js';
export { type MigrateOptions, migrate } from './migrate.js';
export { digestOfSecret, type KeyIdentity } from './repositories/api-keys.js';
export type { Claim } from './repositories/claim.js';
export { CollectionEnded, type Forgotten, type Retention } from './repositories/garbage.js';
export type { IdempotencyState, StoredResponse } from './repositories/idempotency.js';
export type { ListenHandle } from './repositories/listener.js';
export type { OutboxMessage } from './repositories/outbox.js';
export type { PageRequest } from './repositories/paging.js';
export type { StoredCheckpoint } from './repositories/runs.js';
export type { DueSchedule, Settled } from './repositories/schedules.js';
export type { SucceedOptions } from './repositories/stage-results.js';
export type { Stage } from './repositories/stage-views.js';
export type { FailOptions } from './repositories/stages.js';
export { dumpRows, migrationOf, type RowBlock, restoreRows, TABLES, type Table } from './rows.js';
export type { ClaimedDelivery, DeliveryOutcome } from './state/delivery-state.js';
