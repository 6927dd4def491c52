/** Where a request's names are looked up. The database's repositories are one; this package knows none. */
import type { Dataset, Job, Prior, Run } from '@rela/contracts';
import type { ArtifactStore } from '@rela/storage';
import type { EarlierRun } from '../run-start.js';
import type { ReadManifest } from './manifests.js';

interface Named<T> {
  /** By id, digest or name. */
  find(reference: string): Promise<T | null>;
  /** Names in use, for a "did you mean". */
  names(): Promise<string[]>;
}

interface Known<T> {
  get(id: string): Promise<T | null>;
}

/** What one tenant has. */
export interface Catalogue {
  datasets: Named<Dataset>;
  priors: Named<Prior>;
  jobs: Known<Job>;
  runs: Known<Run> & {
    /** A run with what it started from; null where there is none. */
    training(id: string): Promise<EarlierRun | null>;
  };
  artifacts: {
    /** Null where there is none that the tenant may read. */
    access(digest: string): Promise<unknown>;
  };
}

/** What a plan is made from. */
export interface PlanDependencies {
  database: Catalogue;
  store: ArtifactStore;
  readManifest: ReadManifest;
}
