import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';

const bench = fileURLToPath(new URL('../bench/run.mjs', import.meta.url));
const run = promisify(execFile);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'paper-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Answer {
  claims: { claim: string; holds: boolean; shown: string }[];
  seeds: number[];
  [number: string]: unknown;
}

/** The study's short mode: what it prints, which is what it writes. */
async function shortly(study: string, ...further: string[]): Promise<Answer> {
  const options = [`paper:${study}`, '--quick', '--json', '--out', folder, ...further];
  const { stdout } = await run(process.execPath, [bench, ...options]);
  const answer: Answer = JSON.parse(stdout);
  expect(JSON.parse(await readFile(join(folder, `${study}.json`), 'utf8')).claims).toEqual(answer.claims);
  return answer;
}

it('shows why efficient data are efficient: claims, figures and numbers from runs of its own', async () => {
  const { claims, seeds } = await shortly('gaussian');
  expect(seeds).toEqual([0, 1, 2]);
  for (const { claim, holds } of claims) expect([claim, holds]).toEqual([claim, true]);
  const files = await readdir(folder);
  expect(files).toEqual(expect.arrayContaining(['gaussian.json', 'gaussian.md', 'gaussian-spread.svg']));
  expect(await readFile(join(folder, 'gaussian-spread.svg'), 'utf8')).toMatch(/^<svg /);
}, 300_000);

// So short are their runs that nothing follows from the accuracies: that they are made, looked at and written is what can be shown. The other studies are made of the same parts, and take longer.
it.each<[string, string[]]>([
  ['headline', ['costToControl', 'costToPlateau', 'planned', 'runs']],
  ['switch', ['runs']],
  ['similarity', ['runs']],
])(
  'makes the runs of paper:%s anew, and a page with claims, tables and figures of them',
  async (study, numbers) => {
    const answer = await shortly(study);
    expect(answer.seeds).toEqual([1]);
    expect(Object.keys(answer)).toEqual(expect.arrayContaining(numbers));
    const page = await readFile(join(folder, `${study}.md`), 'utf8');
    for (const { claim, shown } of answer.claims) {
      expect(page).toContain(`| ${claim} |`);
      expect(shown).not.toBe('');
    }
    expect(page).not.toMatch(/NaN|undefined|\[object/);
    const figures = (await readdir(folder)).filter((file) => file.endsWith('.svg'));
    expect(figures.length).toBeGreaterThan(0);
    for (const figure of figures) expect(await readFile(join(folder, figure), 'utf8')).toMatch(/^<svg /);

    // What is there is not made again: the runs are those of before, seconds and all.
    const numbersOf = async () => JSON.parse(await readFile(join(folder, `${study}.json`), 'utf8'));
    const before = await numbersOf();
    await shortly(study, '--resume');
    expect(await numbersOf()).toEqual(before);
    const planned = { ...before.planned, epochs: before.planned.epochs + 1 };
    await writeFile(join(folder, `${study}.json`), JSON.stringify({ ...before, planned }));
    await expect(shortly(study, '--resume')).rejects.toThrow(/planned otherwise .* leave out --resume/);
  },
  900_000,
);
