/** What the API is built from: everything that outlives a request. */
import type { Config } from '@rela/config';
import type { Database } from '@rela/database';
import type { ArtifactStore } from '@rela/storage';

export interface ApiDependencies {
  config: Config;
  database: Database;
  store: ArtifactStore;
}
