/** Follows a data set until its images are read, and shows the way there. */
import type { Dataset } from '@rela/contracts';
import type { RelaClient } from '@rela/sdk';
import { createDisplay } from './display.js';
import { datasetProgress } from './stage-progress.js';

/** Resolves with the data set when it is ready. @throws ProblemError `invalid-data` where it failed, and what the client throws */
export async function followDataset(
  client: RelaClient,
  id: string,
  options: { signal?: AbortSignal; quiet?: boolean } = {},
): Promise<Dataset> {
  const request = options.signal ? { signal: options.signal } : {};
  if (options.quiet) return client.datasets.waitUntilReady(id, request);
  const display = createDisplay(1);
  try {
    return await client.datasets.waitUntilReady(id, {
      ...request,
      onLook: (dataset) => display.show([datasetProgress(dataset)]),
    });
  } finally {
    display.close();
  }
}
