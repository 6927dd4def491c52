/**
 * Paths that requests name on the machines of the service. What lies there is not the tenant's: so only below the folders that the service
 * offers to all (DATA_FOLDERS), but for the default tenant, which is that of those who run it, where it offers none.
 */
import { resolve, sep } from 'node:path';
import { type DatasetSource, DEFAULT_TENANT, ProblemError } from '@rela/contracts';

interface Named {
  field: string;
  path: string;
}

const splitPaths = (
  split: { images: string; labels?: string | undefined } | undefined,
  field: string,
): Named[] =>
  split === undefined
    ? []
    : [
        { field: `${field}.images`, path: split.images },
        ...(split.labels === undefined ? [] : [{ field: `${field}.labels`, path: split.labels }]),
      ];

const shardPaths = (shards: string | string[] | undefined, field: string): Named[] =>
  [shards ?? []].flat().map((path) => ({ field, path }));

/** Every path that a data set is read from. */
export function pathsOfDataset(source: DatasetSource): Named[] {
  switch (source.kind) {
    case 'recipe':
      return shardPaths(source.folder, 'source.folder');
    case 'idx':
    case 'npy':
      return [...splitPaths(source.train, 'source.train'), ...splitPaths(source.test, 'source.test')];
    case 'folder':
      return [...shardPaths(source.path, 'source.path'), ...shardPaths(source.test, 'source.test')];
    case 'cifar':
    case 'npz':
    case 'csv':
      return shardPaths(source.path, 'source.path');
    case 'webdataset':
    case 'parquet':
      return [...shardPaths(source.train, 'source.train'), ...shardPaths(source.test, 'source.test')];
    default:
      return source satisfies never;
  }
}

/** @param folders null: none were named @throws ProblemError `forbidden` naming the first path that is not the tenant's to name */
export function assertPaths(named: Named[], tenantId: string, folders: string[] | null): void {
  if (folders === null && tenantId === DEFAULT_TENANT.id) return;
  const allowed = folders ?? [];
  for (const { field, path } of named) {
    // Buckets are read with the rights that the service has there.
    if (path.startsWith('s3://')) continue;
    const whole = resolve(path);
    if (
      allowed.some(
        (folder) => whole === folder || whole.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`),
      )
    )
      continue;
    const message =
      allowed.length === 0
        ? 'names a file of the service, which offers none to your tenant'
        : `is not below ${allowed.join(' or ')}`;
    throw new ProblemError(
      'forbidden',
      `${field} ${message}. Upload what is yours to /v1/artifacts, or name a bucket; DATA_FOLDERS of the service says which folders may be named.`,
      [{ field, message }],
    );
  }
}
