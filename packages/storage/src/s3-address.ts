/** The parts of an `s3://` URL. */
import { ProblemError } from '@rela/contracts';

export interface S3Address {
  bucket: string;
  /** Without slashes at its ends; empty for the bucket's root. */
  prefix: string;
  /** Absent: Amazon's own. */
  endpoint: string | undefined;
  region: string | undefined;
  /** Bucket in the path instead of the host name, as MinIO wants it. Default: true where an endpoint is given. */
  pathStyle: boolean;
}

const PARAMETERS = ['endpoint', 'region', 'pathStyle'];

/** @throws ProblemError `invalid-request` naming what is wrong. */
export function parseS3Url(text: string): S3Address {
  const refuse = (what: string) =>
    new ProblemError(
      'invalid-request',
      `STORAGE_URL ${what}. It reads s3://bucket/prefix?endpoint=https://host:port&region=name&pathStyle=true.`,
    );
  let url: URL;
  try {
    url = new URL(text);
  } catch (error) {
    throw new ProblemError('invalid-request', refuse('is not a URL').detail, undefined, { cause: error });
  }
  if (url.hostname === '') throw refuse('names no bucket');
  for (const name of url.searchParams.keys())
    if (!PARAMETERS.includes(name)) throw refuse(`has an unknown parameter "${name}"`);
  const endpoint = url.searchParams.get('endpoint') ?? undefined;
  if (endpoint !== undefined && !/^https?:\/\/./.test(endpoint))
    throw refuse('has an endpoint that is not http(s)');
  const pathStyle = url.searchParams.get('pathStyle') ?? String(endpoint !== undefined);
  if (pathStyle !== 'true' && pathStyle !== 'false')
    throw refuse('has a pathStyle that is neither true nor false');
  return {
    bucket: url.hostname,
    prefix: url.pathname.replace(/^\/+|\/+$/g, ''),
    endpoint,
    region: url.searchParams.get('region') ?? undefined,
    pathStyle: pathStyle === 'true',
  };
}
