/** The database: schema and migrations, repositories that own the state machines, the outbox, an embedded Postgres. */
export { type EmbeddedPostgresCode, EmbeddedPostgresError } from './embedded/error.js';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded/start.js';
export { DatabaseUnavailable, MigrationError } from './errors.js';
export { type MigrateOptions, migrate } from './migrate.js';
