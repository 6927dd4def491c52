/** What the API is built from: everything that outlives a request. */
import type { Config } from '@rela/config';
import type { Database, TenantDatabase } from '@rela/database';
import type { ArtifactStore } from '@rela/storage';

export interface ApiDependencies {
  config: Config;
  database: Database;
  store: ArtifactStore;
}

/** What serves one request: the same, with the database of its tenant. */
export interface TenantDependencies extends Omit<ApiDependencies, 'database'> {
  database: TenantDatabase;
}
