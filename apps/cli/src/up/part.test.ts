/** A supervised part, with real processes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPart, type Part, PartFailedError } from './part.js';
import { recordProcess } from './process-stamp.js';

const GOOD = `
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
process.send({ type: 'ready', url: 'http://127.0.0.1:' + process.env.API_PORT });
`;
const BAD = "console.error('the reason it gave'); process.exit(3);";

let folder: string;
let notices: string[];
let part: Part | null;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-part-'));
  notices = [];
  part = null;
});
afterEach(async () => {
  await part?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function partOf(source: string): Promise<Part> {
  const program = join(folder, 'part.mjs');
  await writeFile(program, source);
  part = createPart({
    name: 'api',
    program,
    logFile: join(folder, 'part.log'),
    environment: () => ({ API_PORT: '1234' }),
    onNotice: (text) => notices.push(text),
    onChange: () => undefined,
  });
  return part;
}

async function isThere(pid: number | null): Promise<boolean> {
  return pid !== null && (await recordProcess('part', pid)) !== null;
}

describe('a part', () => {
  it('is up when it says so, and gone after stop', async () => {
    const started = await partOf(GOOD);
    await started.start();
    const { pid } = started;
    expect(started.url).toBe('http://127.0.0.1:1234');
    expect(await isThere(pid)).toBe(true);
    await started.stop();
    expect(await isThere(pid)).toBe(false);
    expect(notices).toEqual([]);
  });

  it('that is killed is started again as another process', async () => {
    const started = await partOf(GOOD);
    await started.start();
    const first = started.pid ?? 0;
    kill(first, 'SIGKILL');
    await vi.waitUntil(() => notices.some((text) => text.includes('up again')), { timeout: 20_000 });
    expect(started.pid).not.toBe(first);
    expect(await isThere(started.pid)).toBe(true);
    expect(notices[0]).toContain('api ended by SIGKILL; starting it again');
  });

  it('that does not come up fails with the end of its log', async () => {
    const started = await partOf(BAD);
    const failure = await started.start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PartFailedError);
    expect(String(failure)).toContain('api ended with exit code 3 before it was up');
    expect(String(failure)).toContain('the reason it gave');
  });

  it('that waits to be started again can be stopped', async () => {
    const started = await partOf(GOOD);
    await started.start();
    kill(started.pid ?? 0, 'SIGKILL');
    await vi.waitUntil(() => notices.length > 0, { timeout: 20_000 });
    await started.stop();
    expect(started.pid).toBeNull();
  });

  it('is stopped while it is starting', async () => {
    const started = await partOf('setInterval(() => undefined, 1000);');
    const starting = started.start().catch((error: unknown) => error);
    await vi.waitUntil(() => started.pid !== null, { timeout: 20_000 });
    await started.stop();
    expect(await starting).toBeInstanceOf(PartFailedError);
  });
});
