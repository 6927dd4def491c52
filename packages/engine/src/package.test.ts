/** The package as it would be published: the packed files, with no other dependencies than those that package.json names. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const source = fileURLToPath(new URL('..', import.meta.url));
const { name, dependencies } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as {
  name: string;
  dependencies: Record<string, string>;
};

let folder: string;
let installed: string;

/** Where a dependency's folder is in this repository. */
async function folderOf(dependency: string): Promise<string> {
  let at = await realpath(dirname(createRequire(join(source, 'package.json')).resolve(dependency)));
  while (!at.endsWith(join('node_modules', dependency))) at = dirname(at);
  return at;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'engine-package-'));
  await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: source });
  const [tarball] = (await readdir(folder)).filter((file) => file.endsWith('.tgz'));
  installed = join(folder, 'node_modules', name);
  await mkdir(installed, { recursive: true });
  await run('tar', ['xzf', join(folder, tarball!), '--strip-components=1', '-C', installed]);
  for (const dependency of Object.keys(dependencies)) {
    const link = join(folder, 'node_modules', dependency);
    await mkdir(dirname(link), { recursive: true });
    await symlink(await folderOf(dependency), link);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("the README's example runs as it stands and prints what it says", async () => {
  const readme = await readFile(join(installed, 'README.md'), 'utf8');
  const [, example] = /```js\n(.*?)```/s.exec(readme) ?? [];
  const [, promised] = /console\.log\(.*\/\/ (.*)$/m.exec(example!) ?? [];
  await writeFile(join(folder, 'example.mjs'), example!);
  const { stdout } = await run(process.execPath, ['example.mjs'], { cwd: folder });
  expect(promised).toBe('y = 2.00 x + 1.00');
  expect(stdout.trim()).toBe(promised);
});

it('reports to nobody: a step leaves nothing in the home and the temporary folder of who runs it', async () => {
  const empty = join(folder, 'empty');
  await mkdir(empty);
  const { ORT_DISABLE_TELEMETRY: _, ...rest } = process.env;
  const env = { ...rest, HOME: empty, XDG_CACHE_HOME: join(empty, 'cache'), TMPDIR: empty };
  await run(process.execPath, ['example.mjs'], { cwd: folder, env });
  expect(await readdir(empty, { recursive: true })).toEqual([]);
});

it('TF.js computes outside of steps as it did before, in a process with this package alone', async () => {
  await writeFile(
    join(folder, 'outside.mjs'),
    `import { compile, tf } from '${name}';
const x = { shape: [2], dtype: 'float32', data: new Float32Array(2) };
await compile((_, { x }) => ({ state: {}, metrics: { sum: tf.sum(x) } }), { state: {}, batch: { x } });
console.log(tf.sum(tf.tensor([1, 2])).dataSync()[0]);`,
  );
  const { stdout } = await run(process.execPath, ['outside.mjs'], { cwd: folder });
  expect(stdout.trim().split('\n').at(-1)).toBe('3');
});

it('its types are all there: the example of a caller in TypeScript is checked, with the keys of state and batch', async () => {
  await writeFile(
    join(folder, 'caller.mts'),
    `import { compile, type EngineErrorCode, listEngines, type Step, tf } from '${name}';
const scalar = { shape: [], dtype: 'float32' as const, data: new Float32Array(1) };
const step: Step = await compile(
  ({ w }, { x }) => ({ state: { w: tf.add(w, x) }, metrics: {} }),
  { state: { w: scalar }, batch: { x: scalar }, unroll: 2, engine: 'compiled' },
);
// @ts-expect-error: the batch has no y
await compile((_, { y }) => ({ state: {}, metrics: { y } }), { state: {}, batch: { x: scalar } });
export const code: EngineErrorCode = 'bad-result';
export const found: boolean = (await listEngines())[0]!.usable && step.flops === 0;
`,
  );
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--skipLibCheck'];
  await run(process.execPath, [tsc, ...options, '--types', '', 'caller.mts'], { cwd: folder });
});

it('holds what runs and its types, and no tests, test tools or sources', async () => {
  const files = await readdir(installed, { recursive: true });
  expect(files).toContain(join('dist', 'index.d.ts'));
  expect(files.filter((file) => /\.test\.|testing|\.map$|^src/.test(file))).toEqual([]);
});

it('depends on nothing that is not published', () => {
  expect(Object.keys(dependencies).filter((dependency) => dependency.startsWith('@rela/'))).toEqual([]);
});
