import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RelaClient } from '../client.js';
import { RelaConnectionError } from '../errors.js';
import { serve, type TestServer } from '../testing/server.js';

const bytes = Buffer.alloc(200_000, 'model');
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
let server: TestServer | undefined;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-sdk-'));
});
afterEach(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

it('downloads again what broke off or arrived damaged, and leaves one whole file', async () => {
  server = await serve((request, response, before) => {
    response.writeHead(200, { 'content-length': bytes.length });
    if (before === 0) response.write(bytes.subarray(0, 1000), () => request.socket.destroy());
    else if (before === 1) response.end(Buffer.alloc(bytes.length));
    else response.end(bytes);
  });
  const path = join(folder, 'model.onnx');
  expect(await new RelaClient({ baseUrl: server.url }).models.download(digest, path)).toBe(bytes.length);
  expect(await readFile(path)).toEqual(bytes);
  expect(await readdir(folder)).toEqual(['model.onnx']);
  expect(server.requests).toHaveLength(3);
});

it('leaves nothing where the bytes are never those of the digest', async () => {
  server = await serve((_request, response) => response.end('something else'));
  const path = join(folder, 'model.onnx');
  const error: unknown = await new RelaClient({ baseUrl: server.url }).models
    .download(digest, path)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RelaConnectionError);
  expect((error as Error).message).toContain('damaged');
  expect(await readdir(folder)).toEqual([]);
});
