/** Which URLs name a place for artifacts. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openStore } from './index.js';
import { parseS3Url } from './s3-address.js';

describe('STORAGE_URL', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('is read with all parts of an S3 address', () => {
    expect(
      parseS3Url('s3://bucket/some/prefix/?endpoint=http://127.0.0.1:9000&region=eu-west-1&pathStyle=false'),
    ).toEqual({
      bucket: 'bucket',
      prefix: 'some/prefix',
      endpoint: 'http://127.0.0.1:9000',
      region: 'eu-west-1',
      pathStyle: false,
    });
    expect(parseS3Url('s3://bucket')).toMatchObject({ prefix: '', endpoint: undefined, pathStyle: false });
    expect(parseS3Url('s3://bucket?endpoint=http://minio:9000')).toMatchObject({ pathStyle: true });
  });

  it.each([
    ['s3:///prefix', 'names no bucket'],
    ['s3://bucket?endpoint=minio:9000', 'not http(s)'],
    ['s3://bucket?pathStyle=yes', 'neither true nor false'],
    ['s3://bucket?regoin=x', 'unknown parameter "regoin"'],
    ['gs://bucket/prefix', 'cannot be stored at gs:'],
  ])('%s is refused', (url, reason) => {
    expect(() => openStore(url)).toThrow(reason);
  });

  it('names a server that does not answer', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'any');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'any');
    const store = openStore('s3://bucket?endpoint=http://127.0.0.1:1');
    await expect(store.has(`sha256:${'0'.repeat(64)}`)).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('http://127.0.0.1:1'),
    });
  });
});
