/** Where a request's names are looked up. The database's repositories are one; this package knows none. */
import type { Dataset, Prior } from '@rela/contracts';
import type { ArtifactStore } from '@rela/storage';
import type { EarlierRun } from '../run-start.js';

interface Named<T> {
  /** By id, digest or name. */
  find(reference: string): Promise<T | null>;
  /** Names in use, for a "did you mean". */
  names(): Promise<string[]>;
}

export interface Catalogue {
  datasets: Named<Dataset>;
  priors: Named<Prior>;
  runs: {
    /** A run with what it started from; null where there is none. */
    training(id: string): Promise<EarlierRun | null>;
  };
}

/** What a plan is made from. */
export interface PlanDependencies {
  database: Catalogue;
  store: ArtifactStore;
}
