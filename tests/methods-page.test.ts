/** docs/methods.md: its tables are those of the schemas, and the method that it writes compiles, is refused unregistered, and learns. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Training } from '@rela/contracts';
import { createEngine, type HostTensors } from '@rela/engine';
import { createBackbone, type createMethod, planAround } from '@rela/learning';
import { createRandom } from '@rela/random';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

/** Holds copies of the two packages, to which the example is added as the page says. */
let folder: string;
let registry: { without: string; with: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rela-page-'));
  const text = await readFile(`${root}/docs/methods.md`, 'utf8');
  const found = [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);
  expect(found).toHaveLength(3);
  const [schema, page, line] = found as [string, string, string];

  await symlink(`${root}/node_modules`, join(folder, 'node_modules'));
  for (const name of ['contracts', 'learning'])
    await cp(`${root}/packages/${name}/src`, join(folder, name), { recursive: true });
  const methods = join(folder, 'contracts/methods.ts');
  const listed = (await readFile(methods, 'utf8'))
    .replace('export const MethodSpec', `${schema}\nexport const MethodSpec`)
    .replace('Mae, Supervised]', 'Mae, Supervised, AlignUniform]');
  expect(listed).toContain(', AlignUniform]');
  await writeFile(methods, listed);
  await writeFile(join(folder, 'learning/methods/align-uniform.ts'), page);
  const without = await readFile(join(folder, 'learning/methods/registry.ts'), 'utf8');
  const added = without
    .replace('  supervised,\n', `  supervised,\n${line}`)
    .replace(
      'import { barlowTwins',
      "import { alignUniform } from './align-uniform.js';\nimport { barlowTwins",
    );
  registry = { without, with: added };
  const options = {
    ...{ rootDir: '.', outDir: 'out', noEmitOnError: true, typeRoots: [`${root}/node_modules/@types`] },
    ...{ paths: { '@rela/contracts': ['./contracts/index.ts'] }, declaration: false, composite: false },
  };
  const files = ['learning/methods/registry.ts', 'learning/methods/align-uniform.ts'];
  const config = { extends: `${root}/tsconfig.base.json`, compilerOptions: options, files };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('has the tables that the schemas write: run `node docs/methods.mjs`', async () => {
  const { stdout } = await run(process.execPath, ['docs/methods.mjs', '--print'], {
    cwd: root,
  });
  expect(await readFile(`${root}/docs/methods.md`, 'utf8')).toBe(stdout);
});

/** What the compiler says, nothing where it is content; then it has written JavaScript. */
async function compileWith(text: string): Promise<string> {
  await writeFile(join(folder, 'learning/methods/registry.ts'), text);
  const tsc = [`${root}/node_modules/typescript/bin/tsc`, '-p', folder];
  return run(process.execPath, tsc).then(
    () => '',
    ({ stdout }) => stdout,
  );
}

it('writes a method that does not compile until it is registered, and then learns', async () => {
  expect(await compileWith(registry.without)).toContain(`Property '"align-uniform"' is missing`);
  expect(await compileWith(registry.with)).toBe('');
  const built = (name: string) => import(/* @vite-ignore */ pathToFileURL(join(folder, 'out', name)).href);
  const { MethodSpec } = await built('contracts/methods.js');
  const make: { createMethod: typeof createMethod } = await built('learning/methods/registry.js');

  const training = Training.parse({ method: { name: 'byol' }, batchSize: 16 });
  const image = { size: 8, channels: 1 };
  const backbone = createBackbone(training.backbone, image);
  const method = make.createMethod(MethodSpec.parse({ name: 'align-uniform' }), {
    ...{ backbone, image, classes: null, batchSize: 16, seed: 0 },
  });
  const plan = planAround(backbone, method, { training, image, classes: null, k: null });
  const specs = plan.batchSpecs('method');
  const batch: HostTensors = {};
  for (const [key, spec] of Object.entries(specs)) {
    if (!key.startsWith('view')) continue;
    const random = createRandom(1, key);
    const { length } = { length: spec.shape.reduce((product, side) => product * side, 1) };
    batch[key] = { ...spec, data: Float32Array.from({ length }, () => random.normal()) };
  }
  const engine = await createEngine({ engine: 'compiled' });
  const step = await engine.compile(plan.step('method'), plan.initialState(), specs);
  const losses: number[] = [];
  for (let at = 1; at <= 20; at++)
    losses.push((await step.run({ ...batch, ...plan.scalars(at) })).loss!.data[0]!);
  await step.dispose();
  await engine.dispose();
  expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.2);
});
