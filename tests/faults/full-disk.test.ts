/** A disk that fills up while a job is under way: it is said, nothing is lost, and the job goes on when there is room. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addShapes, shortRun, startService, type TestService } from '../service.js';

const run = promisify(execFile);

let disk: string;
let mounted = false;
let service: TestService | undefined;
beforeAll(async () => {
  disk = await mkdtemp(join(tmpdir(), 'rela-full-'));
  mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]).then(
    () => true,
    () => false,
  );
  if (!mounted) return;
  service = await startService({ STORAGE_URL: join(disk, 'artifacts') });
  await addShapes(service, 'shapes');
});
afterAll(async () => {
  await service?.close();
  if (mounted) await run('umount', [disk]);
  await rm(disk, { recursive: true });
});

/** Takes all the room that is left. */
async function fill(path: string): Promise<void> {
  const kib = Buffer.alloc(1024);
  try {
    for (;;) await writeFile(path, kib, { flag: 'a' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}

it('a job says that its disk is full, and goes on when there is room again', async (context) => {
  context.skip(!mounted, 'needs the right to mount a small disk');
  const { client } = service!;
  const filler = join(disk, 'filler');
  await fill(filler);
  const { id } = await client.jobs.create({ dataset: 'shapes', runs: [shortRun('a')] });
  for await (const update of client.jobs.follow(id)) {
    if (update.type !== 'stage' || update.error === null) continue;
    expect(update).toMatchObject({ kind: 'train', status: 'queued' });
    expect(update.error).toContain('There is no room left');
    break;
  }
  await rm(filler);
  const ended = await client.jobs.wait(id);
  expect(ended.error).toBeNull();
  expect(ended.status).toBe('succeeded');
});
