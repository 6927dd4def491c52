/** The reader that a data set's source asks for. */

import { openFolder } from '../readers/folder.js';
import { openIdx } from '../readers/idx.js';
import type { Source } from '../readers/source.js';
import { findRecipe } from '../recipes/find.js';
import type { IngestOptions } from './ingest.js';

/** @throws ProblemError where the source cannot be read */
export async function openSource(options: IngestOptions): Promise<Source> {
  const { dataset, maxPixels } = options;
  const { source, limit } = dataset;
  switch (source.kind) {
    case 'idx':
      return openIdx({ train: source.train, test: source.test, limit, maxPixels });
    case 'folder':
      return openFolder({ path: source.path, test: source.test, testFraction: source.testFraction, limit });
    case 'recipe': {
      const found = await findRecipe({
        recipe: source.recipe,
        folder: source.folder,
        cacheFolder: options.cacheFolder,
        onSource: (text) => options.onSource?.(text),
        signal: options.signal,
      });
      const opened = await openIdx({ train: found.train, test: found.test, limit, maxPixels });
      return { ...opened, classes: found.classes };
    }
    default:
      return source satisfies never;
  }
}
