import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RelaApiError } from '@rela/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startService, type TestService } from '../testing/service.js';
import { addReadyDataset, smallJob, workOff } from '../testing/work.js';

const LIMIT = 1024 ** 2;
const model = new Uint8Array(randomBytes(300_000));
let service: TestService;
let digest: string;
beforeAll(async () => {
  service = await startService({ MAX_UPLOAD_BYTES: String(LIMIT) });
  await addReadyDataset(service, 'digits');
  const job = await service.client.jobs.create(smallJob('digits'));
  await workOff(service, job.id, model);
  digest = (await service.client.runs.get(job.runs[0]!.id)).result!.model!;
});
afterAll(() => service.close());

it('downloads a model under the name of its run', async () => {
  const path = join(service.folder, 'only.onnx');
  expect(await service.client.models.download(digest, path)).toBe(model.length);
  expect(new Uint8Array(await readFile(path))).toEqual(model);
  const response = await fetch(`${service.url}/v1/models/${digest}`);
  expect(response.headers.get('content-disposition')).toBe('attachment; filename="only.onnx"');
  expect(response.headers.get('content-length')).toBe(String(model.length));
  await response.body?.cancel();
});

it('sends nothing to one who has the model already, and no body for HEAD', async () => {
  const url = `${service.url}/v1/models/${digest}`;
  const head = await fetch(url, { method: 'HEAD' });
  expect(head.headers.get('content-length')).toBe(String(model.length));
  expect(await head.text()).toBe('');
  const etag = head.headers.get('etag') ?? '';
  expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304);
});

it('leaves no file behind where there is no such model', async () => {
  const path = join(service.folder, 'absent', 'none.onnx');
  await expect(service.client.models.download(`sha256:${'0'.repeat(64)}`, path)).rejects.toMatchObject({
    code: 'not-found',
  });
  expect((await readdir(service.folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  expect((await fetch(`${service.url}/v1/models/nonsense`)).status).toBe(400);
});

it('gives back an artifact as a file, as bytes, and as far as it is read', async () => {
  const { artifacts } = service.client;
  const path = join(service.folder, 'artifact.bin');
  expect(await artifacts.download(digest, path)).toBe(model.length);
  expect(new Uint8Array(await readFile(path))).toEqual(model);
  expect(new Uint8Array(await artifacts.read(digest))).toEqual(model);
  const { bytes, body } = await artifacts.open(digest);
  expect(bytes).toBe(model.length);
  for await (const chunk of body) {
    expect(Buffer.from(model.subarray(0, chunk.length)).equals(chunk)).toBe(true);
    break;
  }
  await expect(artifacts.read(`sha256:${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'not-found' });
  expect((await fetch(`${service.url}/v1/artifacts/nonsense`)).status).toBe(400);
});

it('lists targets, and says which job or run it does not know', async () => {
  const { targets } = service.client;
  expect(await targets.list()).toEqual({ items: [], next: null });
  await expect(targets.list({ job: 'job_none' })).rejects.toMatchObject({ code: 'not-found' });
  await expect(targets.list({ run: 'run_none' })).rejects.toMatchObject({ code: 'not-found' });
  await expect(targets.list({ digest: 'nonsense' })).rejects.toMatchObject({ code: 'invalid-request' });
});

it('takes an upload from a path, from bytes and from a stream, as one artifact', async () => {
  const path = join(service.folder, 'upload.bin');
  await writeFile(path, model);
  async function* pieces() {
    for (let at = 0; at < model.length; at += 7000) yield model.subarray(at, at + 7000);
  }
  for (const source of [path, model, pieces()])
    expect(await service.client.artifacts.upload(source)).toMatchObject({ digest, bytes: model.length });
  expect(await service.store.read(digest)).toEqual(Buffer.from(model));
});

it('refuses an upload above the limit, announced or not', async () => {
  const tooMuch = new Uint8Array(LIMIT + 1);
  async function* pieces() {
    for (let at = 0; at < tooMuch.length; at += 65536) yield tooMuch.subarray(at, at + 65536);
  }
  for (const source of [tooMuch, pieces()]) {
    const error = await service.client.artifacts.upload(source).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RelaApiError);
    expect((error as RelaApiError).code).toBe('payload-too-large');
  }
});

it('does an upload once under one key, and refuses other bytes under it', async () => {
  const send = (body: string) =>
    fetch(`${service.url}/v1/artifacts`, {
      method: 'POST',
      headers: { 'idempotency-key': 'upload', 'content-type': 'application/json' },
      body,
    });
  const first = await send('{"these": "are bytes"}');
  expect(first.status).toBe(201);
  expect(first.headers.get('location')).toMatch(/^\/v1\/artifacts\/sha256:/);
  expect((await send('{"these": "are bytes"}')).headers.get('idempotency-replayed')).toBe('true');
  expect((await send('others')).status).toBe(422);
  expect((await fetch(`${service.url}/v1/artifacts`, { method: 'POST' })).status).toBe(400);
});
