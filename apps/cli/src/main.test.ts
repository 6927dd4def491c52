/** The command line as a process: exit codes, and what goes where. Nothing here needs a service. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Problem } from '@rela/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../bin/rela.js', import.meta.url));
let folder: string;
/** An address where nothing listens. */
let nobody: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-cli-'));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  nobody = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  await new Promise((resolve) => server.close(resolve));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function rela(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, '--home', folder, ...args],
      { cwd: folder },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
      },
    );
  });
}

describe('rela', () => {
  it('ends with exit code 2 and a suggestion where the command line is wrong', async () => {
    const unknown = await rela('datasets', 'lits');
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toContain('Did you mean list?');
    expect((await rela()).code).toBe(2);
    expect((await rela('datasets', 'add', 'a', '--limit-train', 'many')).code).toBe(2);
    expect((await rela('datasets', 'add', 'a')).stderr).toContain('--recipe NAME, --folder PATH');
    expect((await rela('datasets', 'add', 'a', '--recipe', 'mnist', '--idx-images', 'b')).code).toBe(2);
    expect((await rela('priors', 'add', 'a', '--random', 'resnet18')).stderr).toContain('--image-size');
    expect(await rela('priors', 'add', 'a', '--tfjs', folder)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/holds no model\.json .*--tfjs takes the folder/),
    });
    expect((await rela('priors', 'add', 'a', '--tfjs', folder, '--onnx', 'b')).code).toBe(2);
    expect((await rela('--url', 'nonsense', 'jobs', 'list')).code).toBe(2);
  });

  it('shows help and its version with exit code 0', async () => {
    expect(await rela('--help')).toMatchObject({ code: 0, stderr: '' });
    expect((await rela('datasets', 'add', '--help')).stdout).toContain('--recipe');
    expect((await rela('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('with --json writes every error as a problem document, and nothing to stdout', async () => {
    const spec = join(folder, 'broken.yaml');
    await writeFile(spec, 'runs: [');
    const cases = [
      { args: ['datasets', 'lits'], code: 2, problem: 'invalid-request' },
      { args: ['datasets', 'add', 'a'], code: 2, problem: 'invalid-request' },
      { args: ['run', spec], code: 1, problem: 'invalid-request' },
      { args: ['run', join(folder, 'absent.yaml')], code: 1, problem: 'invalid-request' },
      { args: ['--url', nobody, 'jobs', 'list'], code: 1, problem: 'unavailable' },
    ];
    for (const { args, code, problem } of cases) {
      const ended = await rela('--json', ...args);
      expect({ code: ended.code, stdout: ended.stdout }, args.join(' ')).toEqual({ code, stdout: '' });
      expect(Problem.parse(JSON.parse(ended.stderr)).code, args.join(' ')).toBe(problem);
    }
  });

  it('lists the engines of this machine without a service, and which one auto takes', async () => {
    const shown = await rela('--url', nobody, 'engines');
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toMatch(/^ENGINE +ON +USABLE +ABOUT\ncompiled +ONNX Runtime, processor +yes/);
    expect(shown.stdout.match(/yes, auto/g)).toHaveLength(1);
    const engines = JSON.parse((await rela('--json', 'engines')).stdout);
    expect(engines).toHaveLength(5);
    expect(engines[0]).toMatchObject({ engine: 'compiled', on: 'cpu', usable: true });
    for (const { usable, about } of engines)
      expect([typeof usable, about.includes('\n')]).toEqual(['boolean', false]);
  });

  it('says which address did not answer', async () => {
    const ended = await rela('--url', nobody, 'jobs', 'list');
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toContain(nobody);
  });

  it('says at which line a specification cannot be read', async () => {
    const spec = join(folder, 'broken.yaml');
    await writeFile(spec, 'dataset: a\nruns: [\n');
    expect((await rela('run', spec)).stderr).toContain(`${spec}:3:1`);
  });
});
