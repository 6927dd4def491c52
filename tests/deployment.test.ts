/** The container files and the pages about settings agree with the code. There is no container engine in this test. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadConfig, Settings } from '@rela/config';
import { openStore } from '@rela/storage';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFile(`${root}/${path}`, 'utf8');

const Service = z.looseObject({
  image: z.string(),
  build: z.object({ context: z.string(), args: z.record(z.string(), z.string()) }).optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  volumes: z.array(z.string()).default([]),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
});
const Compose = z.looseObject({
  services: z.record(z.string(), Service),
  volumes: z.record(z.string(), z.unknown()),
});

async function compose() {
  return Compose.parse(parse(await read('docker-compose.yml'), { merge: true }));
}

/** The services that run our image, which is those that are built. */
async function apps() {
  return Object.entries((await compose()).services).filter(([, { build }]) => build !== undefined);
}

/** `${NAME:-default}` as compose fills it in; `${NAME:?message}` has to be given. */
const filled = (text: string) =>
  text.replace(/\$\{\w+:-([^}]*)\}/g, '$1').replace(/\$\{\w+:\?[^}]*\}/g, 'given'.repeat(8));

/** Read by the AWS SDK, not by us. */
const AWS_VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];

describe('docker-compose.yml', () => {
  it('runs every process of the service, by a program that the build makes', async () => {
    const programs = (await apps()).map(([, { command }]) => command?.at(-1) ?? '');
    const names = new Set(programs.map((program) => program.match(/^apps\/([\w-]+)\/dist\/main\.js$/)?.[1]));
    expect(names).toEqual(new Set(['api', 'orchestrator', 'embed-worker', 'train-worker']));
    for (const name of names) expect(existsSync(`${root}/apps/${name}/src/main.ts`), name).toBe(true);
  });

  it('sets only variables that exist, to values that are valid', async () => {
    for (const [name, { environment }] of await apps()) {
      const known = [...Object.keys(Settings.shape), ...AWS_VARIABLES];
      expect(known, name).toEqual(expect.arrayContaining(Object.keys(environment)));
      const values = Object.entries(environment).map(([variable, value]) => [variable, filled(value)]);
      const config = loadConfig(Object.fromEntries(values));
      expect(config.databaseUrl, name).toMatch(/@postgres:5432\//);
      expect(config.queueUrl, name).toBe('redis://redis:6379');
      expect(() => openStore(config.storageUrl), name).not.toThrow();
      if (name === 'api')
        expect(config.api).toMatchObject({
          authentication: 'required',
          initialKey: expect.stringContaining('given'),
        });
    }
  });

  it('makes the bucket that the storage address names', async () => {
    const { bucket, api } = (await compose()).services;
    const { hostname } = new URL(api?.environment.STORAGE_URL ?? '');
    expect(bucket?.command?.at(-1)).toBe(`store/${hostname}`);
  });

  it('waits for services that are there and can be healthy, and mounts volumes that are declared', async () => {
    const { services, volumes } = await compose();
    for (const [name, service] of Object.entries(services)) {
      for (const [other, { condition }] of Object.entries(service.depends_on)) {
        expect(services, name).toHaveProperty(other);
        if (condition === 'service_healthy') expect(services[other]?.healthcheck, other).toBeDefined();
      }
      const named = service.volumes
        .map((volume) => volume.split(':')[0] ?? '')
        .filter((source) => /^[\w-]+$/.test(source));
      expect(Object.keys(volumes), name).toEqual(expect.arrayContaining(named));
    }
  });

  it('builds stages that the Dockerfile has', async () => {
    const dockerfile = await read('Dockerfile');
    const stages = [...dockerfile.matchAll(/^FROM .+ AS ([\w-]+)$/gm)].map(([, stage]) => stage);
    const declared = [...dockerfile.matchAll(/^ARG (\w+)/gm)].map(([, argument]) => argument);
    for (const [name, { build }] of await apps()) {
      expect(declared, name).toEqual(expect.arrayContaining(Object.keys(build?.args ?? {})));
      expect(stages, name).toContain(`runtime-${build?.args.RUNTIME}`);
    }
    for (const [, from] of dockerfile.matchAll(/--from=([\w-]+)/g)) expect(stages).toContain(from);
  });
});

describe('the pages', () => {
  it('about configuration are those that the settings write: run `node docs/configuration.mjs`', async () => {
    const { stdout } = await run(process.execPath, ['docs/configuration.mjs', '--print'], { cwd: root });
    expect(await read('docs/configuration.md')).toBe(stdout);
  });

  it.each([{ page: 'training' }, { page: 'claims' }, { page: 'database' }, { page: 'service' }])(
    '$page has the figures of the bench, as the script beside it writes them',
    async ({ page }) => {
      const { stdout } = await run(process.execPath, [`docs/${page}.mjs`, '--print'], { cwd: root });
      expect(await read(`docs/${page}.md`)).toBe(stdout);
    },
  );

  it('link to pages and files that exist', async () => {
    const written = (await readdir(`${root}/docs`)).filter((file) => file.endsWith('.md'));
    const pages = ['README.md', 'bench/README.md', ...written.map((file) => `docs/${file}`)];
    for (const page of pages) {
      const folder = dirname(`${root}/${page}`);
      for (const [, link] of (await read(page)).matchAll(/\]\((?!https?:)([^)#]+)\)/g))
        expect(existsSync(`${folder}/${link}`), `${page}: ${link}`).toBe(true);
    }
  });
});
