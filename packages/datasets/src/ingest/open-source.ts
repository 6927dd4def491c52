/** The reader that a data set's source asks for. */
import { createFiles } from '../files/files.js';
import { WebFiles } from '../files/web-files.js';
import { openCifar } from '../readers/cifar.js';
import { openCsv } from '../readers/csv.js';
import { openFolder } from '../readers/folder.js';
import { openIdx } from '../readers/idx.js';
import { openNpy, openNpz } from '../readers/numpy.js';
import { openParquet } from '../readers/parquet.js';
import type { Source } from '../readers/source.js';
import { openWebDataset } from '../readers/webdataset.js';
import { findRecipe } from '../recipes/find.js';
import type { IngestOptions } from './ingest.js';

/** @throws ProblemError where the source cannot be read */
export async function openSource(options: IngestOptions): Promise<Source> {
  const { dataset, maxPixels, signal } = options;
  const { source, limit, classes } = dataset;
  const files = createFiles(options.openBucket);
  switch (source.kind) {
    case 'idx':
      return openIdx({ files, train: source.train, test: source.test, limit, maxPixels });
    case 'folder':
      return openFolder({ ...source, files, limit });
    case 'cifar':
      return openCifar({ ...source, files, limit });
    case 'npy':
      return openNpy({ ...source, files, limit, classes, maxPixels });
    case 'npz':
      return openNpz({ ...source, files, limit, classes, maxPixels });
    case 'webdataset':
      return openWebDataset({ ...source, files, limit, classes });
    case 'parquet':
      return openParquet({ ...source, files, limit, classes, signal });
    case 'csv': {
      const web = new WebFiles({
        ...source.download,
        allowPrivateAddresses: options.allowPrivateAddresses ?? false,
      });
      return openCsv({ ...source, files, web, limit, classes, signal });
    }
    case 'recipe': {
      const found = await findRecipe({
        recipe: source.recipe,
        folder: source.folder,
        cacheFolder: options.cacheFolder,
        onSource: (text) => options.onSource?.(text),
        signal,
      });
      const opened = await openIdx({ files, train: found.train, test: found.test, limit, maxPixels });
      return { ...opened, classes: found.classes };
    }
    default:
      return source satisfies never;
  }
}
