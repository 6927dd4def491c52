/** Who owns a home: one live process, and after its death the next one. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordProcess } from './process-stamp.js';
import { AlreadyUpError, findUrl, holdHome } from './up-file.js';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rela-up-file-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const url = 'http://127.0.0.1:1234';

/** What a supervisor leaves behind that is killed: its file, naming processes that are gone. */
async function leaveBehind(): Promise<void> {
  const program = join(home, 'wait.mjs');
  await writeFile(program, 'setInterval(() => undefined, 1000);');
  const child = fork(program);
  await once(child, 'spawn');
  const owner = await recordProcess('rela', child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await rm(program);
  await writeFile(join(home, 'up.json'), JSON.stringify({ version: 1, url, owner, children: [owner] }));
}

describe('a home', () => {
  it('is held by one process, and the second hears where the first one is', async () => {
    const held = await holdHome(home);
    await held.update({ url, children: [] });
    const refused = await holdHome(home).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(AlreadyUpError);
    expect(String(refused)).toContain(url);
    expect(String(refused)).toContain(String(process.pid));
    await held.release();
    await (await holdHome(home)).release();
    expect(await readdir(home)).toEqual([]);
  });

  it('tells where its service is while that lives', async () => {
    expect(await findUrl(home)).toBeNull();
    const held = await holdHome(home);
    expect(await findUrl(home)).toBeNull();
    await held.update({ url, children: [] });
    expect(await findUrl(home)).toBe(url);
    await held.release();
    expect(await findUrl(home)).toBeNull();
  });

  it('of a killed process is free, and its next owner learns what that one had started', async () => {
    await leaveBehind();
    expect(await findUrl(home)).toBeNull();
    const held = await holdHome(home);
    expect(held.leftovers).toHaveLength(1);
    await held.release();
  });

  it('is not taken for held because another program has the pid now', async () => {
    const own = await recordProcess('rela', process.pid);
    const owner = { ...own, stamp: 'another start time' };
    await writeFile(join(home, 'up.json'), JSON.stringify({ version: 1, url, owner, children: [] }));
    await (await holdHome(home)).release();
  });

  it('whose file is damaged is free', async () => {
    await writeFile(join(home, 'up.json'), '{"version": 1, "ur');
    const held = await holdHome(home);
    expect(JSON.parse(await readFile(join(home, 'up.json'), 'utf8'))).toMatchObject({ url: null });
    await held.release();
  });

  it('that several take at once has one owner', async () => {
    await leaveBehind();
    const taken = await Promise.allSettled(Array.from({ length: 8 }, () => holdHome(home)));
    const owners = taken.filter(({ status }) => status === 'fulfilled');
    expect(owners).toHaveLength(1);
    for (const one of taken) if (one.status === 'fulfilled') await one.value.release();
    expect(await readdir(home)).toEqual([]);
  });
});
