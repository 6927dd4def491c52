/** The Helm chart renders what Kubernetes and KEDA take, and agrees with the code and the container files. There is no cluster in this test. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { loadConfig, Settings } from '@rela/config';
import { StageKind } from '@rela/contracts';
import { openStore } from '@rela/storage';
import { Ajv } from 'ajv';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { createHandlers as createEmbedHandlers } from '../apps/embed-worker/src/handlers.js';
import {
  claimOf,
  complete,
  examplePlan,
  resultOf,
  stageOf,
} from '../packages/database/src/testing/examples.js';
import { useScratch } from '../packages/database/src/testing/scratch.js';
import {
  chart,
  containerOf,
  deploymentsOf,
  environmentOf,
  helm,
  helmWith,
  Labels,
  type Manifest,
  ofKind,
  RELEASE,
  render,
  ScaledObject,
  TYPES,
  typeErrors,
  type Values,
} from './manifests.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFile(`${root}/${path}`, 'utf8');

const name = helm ? '' : ' (no helm here)';

const SERVERS: Values = {
  database: { url: 'postgres://rela:secret@postgres.example:5432/rela' },
  queue: { url: 'redis://redis.example:6379' },
  storage: { url: 's3://rela/artifacts?endpoint=http://minio.example:9000&region=us-east-1' },
};
const KEYS = { accessKeyId: 'rela', secretAccessKey: 'rela-secret' };

/** One a way of deploying it. */
const SCENARIOS: Record<string, Values> = {
  'servers by URL': { ...SERVERS, storage: { ...(SERVERS.storage as Values), ...KEYS } },
  'a GPU': { ...SERVERS, trainWorkerGpu: { enabled: true, gpus: 2, runtimeClassName: 'nvidia' } },
  KEDA: { ...SERVERS, keda: { enabled: true }, trainWorkerGpu: { enabled: true, concurrency: 3 } },
  'everything of yours': {
    existingSecret: 'credentials',
    storage: { existingClaim: 'artifacts' },
    data: { existingClaim: 'data' },
    config: {
      LOG_LEVEL: 'debug',
      MAX_UPLOAD_BYTES: 4294967296,
      CHECKPOINT_SECONDS: 2.5,
      PRIVATE_ADDRESSES: true,
      THREADS: 2,
    },
    serviceAccount: { create: true, annotations: { role: 'rela' } },
    image: { repository: 'registry.example/rela', pullSecrets: [{ name: 'registry' }] },
    api: {
      ingress: {
        enabled: true,
        className: 'nginx',
        hosts: ['rela.example'],
        tls: [{ hosts: ['rela.example'], secretName: 'tls' }],
      },
    },
    embedWorker: {
      home: { size: '50Gi', storageClassName: 'fast' },
      resources: { limits: { cpu: 4, memory: '8Gi' } },
      nodeSelector: { pool: 'cpu' },
    },
    keda: { enabled: true, existingTriggerAuthentication: 'reader' },
  },
};

/** Read by the AWS SDK and by the CUDA driver, not by us. */
const OTHER_VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'CUDA_CACHE_PATH'];

describe('values.yaml', () => {
  const schema = async () =>
    JSON.parse(await read('charts/rela/values.schema.json')) as Record<string, never>;

  it('fits its schema, which refuses a key that is misspelt', async () => {
    const validate = new Ajv({ allowUnionTypes: true, strictTypes: false }).compile(await schema());
    const values = parse(await read('charts/rela/values.yaml')) as Record<string, Values>;
    validate(values);
    expect(validate.errors).toBeNull();
    for (const url of [
      'redis://h',
      'rediss+sentinel://u:p@h1,h2/master',
      'redis+cluster://h',
      'postgres://h/d',
    ])
      expect(validate({ ...values, queue: { url } }), url).toBe(true);
    expect(validate({ ...values, queue: { url: 'amqp://h' } })).toBe(false);
    expect(validate({ ...values, keda: { ...values.keda, enable: true } })).toBe(false);
    expect(validate({ ...values, config: { LOG_LEVL: 'debug' } })).toBe(false);
  });

  it('takes every setting but those that the chart sets itself', async () => {
    const { properties } = z
      .looseObject({ properties: z.looseObject({ config: z.looseObject({}) }) })
      .parse(await schema());
    const { propertyNames } = z
      .looseObject({ propertyNames: z.object({ enum: z.array(z.string()) }) })
      .parse(properties.config);
    const own = [
      ...['DATABASE_URL', 'QUEUE_URL', 'STORAGE_URL', 'INITIAL_API_KEY', 'RELA_HOME', 'API_HOST', 'API_PORT'],
    ];
    const byWorker = ['EMBED_CONCURRENCY', 'TRAIN_CONCURRENCY'];
    expect([...propertyNames.enum, ...own, ...byWorker].sort()).toEqual(Object.keys(Settings.shape).sort());
  });
});

it('has the version of the project', async () => {
  const { version } = z.looseObject({ version: z.string() }).parse(JSON.parse(await read('package.json')));
  const { appVersion } = z
    .looseObject({ appVersion: z.string() })
    .parse(parse(await read('charts/rela/Chart.yaml')));
  expect(appVersion).toBe(version);
});

describe.skipIf(!helm)(`charts/rela${name}`, () => {
  const rendered = new Map<string, Manifest[]>();
  beforeAll(async () => {
    for (const [scenario, values] of Object.entries(SCENARIOS)) rendered.set(scenario, await render(values));
  });
  const each = () => [...rendered].map(([scenario, manifests]) => ({ scenario, manifests }));

  it('passes helm lint, with its own values and with those of every scenario', async () => {
    for (const values of [{}, ...Object.values(SCENARIOS)])
      expect(await helmWith(values, 'lint', chart)).toContain('0 chart(s) failed');
  });

  it.each([
    ['no database', { storage: SERVERS.storage }, /set database\.url, or existingSecret/],
    ['no storage', { database: SERVERS.database }, /set storage\.url .* or storage\.existingClaim/],
    [
      'two storages',
      { ...SERVERS, storage: { ...(SERVERS.storage as Values), existingClaim: 'artifacts' } },
      /Two storages: set storage\.url or/,
    ],
    [
      'credentials twice',
      { ...SERVERS, existingSecret: 'credentials' },
      /existingSecret stands in the place/,
    ],
  ])('says what to set where it is given %s', async (_case, values, sentence) => {
    await expect(render(values)).rejects.toThrow(sentence);
  });

  it('takes the values that docs/kubernetes.md shows', async () => {
    const blocks = [...(await read('docs/kubernetes.md')).matchAll(/```yaml\n([^`]+)```/g)];
    const [whole, ...parts] = blocks.map(([, text]) => parse(text!) as Values);
    expect(parts.length).toBeGreaterThan(0);
    const kinds = async (values: Values) => (await render(values)).map(({ kind }) => kind);
    expect(await kinds(whole!)).toContain('Deployment');
    for (const part of parts) expect(await kinds({ ...whole, ...part })).toContain('Deployment');
  });

  it('renders objects as Kubernetes and KEDA define them, with no field that they do not know', async () => {
    const all = each().flatMap(({ manifests }) => manifests);
    expect(new Set(all.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`))).toEqual(
      new Set(Object.keys(TYPES)),
    );
    expect(await typeErrors(all)).toBe('');
    const misspelt = JSON.stringify(all).replace('"terminationGracePeriodSeconds"', '"graceSeconds"');
    expect(await typeErrors(JSON.parse(misspelt))).toMatch(/graceSeconds.* does not exist/);
  });

  it('gives every object of a release a name of its own', () => {
    for (const { scenario, manifests } of each()) {
      const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      expect(new Set(names).size, scenario).toBe(names.length);
    }
  });

  it('runs what docker-compose.yml runs: the same programs by the same images', async () => {
    const Compose = z.object({
      services: z.record(
        z.string(),
        z.looseObject({
          image: z.string(),
          build: z.unknown().optional(),
          command: z.array(z.string()).optional(),
        }),
      ),
    });
    const { services } = Compose.parse(parse(await read('docker-compose.yml'), { merge: true }));
    const composed = Object.entries(services)
      .filter(([, { build }]) => build !== undefined)
      .map(([service, { image, command }]) => [service, [image, command]]);
    const deployed = [...deploymentsOf(rendered.get('a GPU')!)].map(([component, deployment]) => {
      const { image, command } = containerOf(deployment);
      return [component, [image, command]];
    });
    expect(Object.fromEntries(deployed)).toEqual(Object.fromEntries(composed));
  });

  it('sets only variables that exist, to values that the processes take', () => {
    for (const { scenario, manifests } of each())
      for (const [component, deployment] of deploymentsOf(manifests)) {
        const where = `${scenario}: ${component}`;
        const environment = environmentOf(manifests, deployment);
        const known = [...Object.keys(Settings.shape), ...OTHER_VARIABLES];
        expect(known, where).toEqual(expect.arrayContaining(Object.keys(environment)));
        const config = loadConfig(environment);
        expect(config.databaseUrl, where).toMatch(/@postgres\.example:5432\//);
        expect(() => openStore(config.storageUrl), where).not.toThrow();
        expect(deployment.spec.template.spec.enableServiceLinks, where).toBe(false);
      }
  });

  it('carries settings over as they are written, large numbers too', () => {
    const manifests = rendered.get('everything of yours')!;
    const environment = environmentOf(manifests, deploymentsOf(manifests).get('embed-worker')!);
    expect(environment.MAX_UPLOAD_BYTES).toBe('4294967296');
    const config = loadConfig(environment);
    expect(config).toMatchObject({
      logLevel: 'debug',
      api: { host: '0.0.0.0', port: 8080, maxUploadBytes: 4294967296 },
      checkpointSeconds: 2.5,
      privateAddresses: true,
      threads: 2,
      storageUrl: '/artifacts',
    });
  });

  it('takes credentials from a Secret of yours, and then makes none', () => {
    const manifests = rendered.get('everything of yours')!;
    expect(ofKind(manifests, 'Secret')).toEqual([]);
    for (const deployment of deploymentsOf(manifests).values())
      expect(containerOf(deployment).envFrom).toContainEqual({ secretRef: { name: 'credentials' } });
  });

  it('keeps credentials out of the ConfigMap', () => {
    const [settings] = ofKind(rendered.get('servers by URL')!, 'ConfigMap');
    expect(JSON.stringify(settings)).not.toMatch(/secret|postgres:|redis:/);
  });

  it('replaces pods whose settings or credentials have changed', async () => {
    const annotations = async (values: Values) => {
      const [deployment] = ofKind(await render(values), 'Deployment');
      return z
        .object({
          spec: z.looseObject({
            template: z.looseObject({ metadata: z.looseObject({ annotations: Labels }) }),
          }),
        })
        .parse(deployment).spec.template.metadata.annotations;
    };
    const before = await annotations(SERVERS);
    expect(await annotations({ ...SERVERS, config: { LOG_LEVEL: 'debug' } })).not.toEqual(before);
    expect(await annotations({ ...SERVERS, queue: { url: 'redis://other.example' } })).not.toEqual(before);
    expect(await annotations({ ...SERVERS, keda: { enabled: true } })).toEqual(before);
  });

  it('selects the pods of each component, and no others', () => {
    for (const { scenario, manifests } of each()) {
      const deployments = deploymentsOf(manifests);
      const matching = (selector: Record<string, string>) =>
        [...deployments]
          .filter(([, { spec }]) => {
            const { labels } = spec.template.metadata;
            return Object.entries(selector).every(([label, value]) => labels[label] === value);
          })
          .map(([component]) => component);
      for (const [component, { spec }] of deployments)
        expect(matching(spec.selector.matchLabels), scenario).toEqual([component]);
      for (const service of ofKind(manifests, 'Service')) {
        const { selector, ports } = z
          .looseObject({ selector: Labels, ports: z.array(z.looseObject({ targetPort: z.string() })) })
          .parse(service.spec);
        expect(matching(selector), scenario).toEqual(['api']);
        const named = containerOf(deployments.get('api')!).ports.map(({ name }) => name);
        expect(named).toEqual(expect.arrayContaining(ports.map(({ targetPort }) => targetPort)));
      }
      for (const budget of ofKind(manifests, 'PodDisruptionBudget')) {
        const { selector } = z
          .looseObject({ selector: z.object({ matchLabels: Labels }) })
          .parse(budget.spec);
        expect(matching(selector.matchLabels), scenario).toEqual(['api']);
      }
    }
  });

  it('asks the API for its health at paths and a port that it has', async () => {
    const routes = await read('apps/api/src/routes/health.ts');
    for (const { manifests } of each()) {
      const deployment = deploymentsOf(manifests).get('api')!;
      const { livenessProbe, startupProbe, readinessProbe, ports } = containerOf(deployment);
      const paths = [startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet.path);
      expect(paths).toEqual(['/healthz', '/healthz', '/readyz']);
      for (const path of paths) expect(routes).toContain(`url: '${path}'`);
      const { api } = loadConfig(environmentOf(manifests, deployment));
      expect(ports).toEqual([{ name: 'http', containerPort: api.port }]);
      expect(api.host).toBe('0.0.0.0');
    }
  });

  it('gives every process longer to stop than the process gives itself', async () => {
    for (const deployment of deploymentsOf(rendered.get('a GPU')!).values()) {
      const { command, lifecycle } = containerOf(deployment);
      const main = await read(command[1]!.replace('/dist/main.js', '/src/main.ts'));
      const own = Number(main.match(/graceSeconds: (\d+)/)?.[1]);
      const before = Number(lifecycle?.preStop.exec.command[1] ?? 0);
      const { terminationGracePeriodSeconds } = deployment.spec.template.spec;
      expect(terminationGracePeriodSeconds, command[1]).toBeGreaterThan(own + before);
    }
  });

  it('lets processes write where they keep things, and nowhere else', async () => {
    const dockerfile = await read('Dockerfile');
    const home = dockerfile.match(/RELA_HOME=(\S+)/)?.[1];
    for (const { scenario, manifests } of each())
      for (const [component, deployment] of deploymentsOf(manifests)) {
        const where = `${scenario}: ${component}`;
        const { volumes, securityContext } = deployment.spec.template.spec;
        const container = containerOf(deployment);
        expect(container.securityContext.readOnlyRootFilesystem, where).toBe(true);
        expect(securityContext.runAsUser, where).toBe(Number(dockerfile.match(/--uid (\d+)/)?.[1]));
        const { home: configured, storageUrl } = loadConfig(environmentOf(manifests, deployment));
        expect(configured, where).toBe(home);
        const writable = container.volumeMounts.filter(({ readOnly }) => !readOnly);
        const places = ['/tmp', configured, ...(storageUrl.startsWith('s3:') ? [] : [storageUrl])];
        expect(writable.map(({ mountPath }) => mountPath).sort(), where).toEqual(places.sort());
        expect(volumes.map(({ name }) => name).sort(), where).toEqual(
          container.volumeMounts.map(({ name }) => name).sort(),
        );
      }
  });

  it('shows data to those that read it', () => {
    const readers = [...deploymentsOf(rendered.get('everything of yours')!)]
      .filter(([, deployment]) =>
        containerOf(deployment).volumeMounts.some(({ mountPath }) => mountPath === '/data'),
      )
      .map(([component]) => component);
    expect(readers).toEqual(['api', 'embed-worker']);
  });

  it('trains on GPUs where that is asked for: theirs by a limit, and no pod more than there are', () => {
    expect([...deploymentsOf(rendered.get('servers by URL')!).keys()]).not.toContain('train-worker-gpu');
    const manifests = rendered.get('a GPU')!;
    const gpu = deploymentsOf(manifests).get('train-worker-gpu')!;
    expect(containerOf(gpu).resources?.limits['nvidia.com/gpu']).toBe(2);
    expect(gpu.spec.template.spec).toMatchObject({
      runtimeClassName: 'nvidia',
      tolerations: [{ key: 'nvidia.com/gpu' }],
    });
    expect(gpu.spec.strategy).toMatchObject({ rollingUpdate: { maxSurge: 0 } });
    expect(loadConfig(environmentOf(manifests, gpu)).engine).toBe('eager');
  });

  describe('with keda.enabled', () => {
    const scratch = useScratch();
    const scaledObjects = () =>
      ofKind(rendered.get('KEDA')!, 'ScaledObject').map((manifest) => ScaledObject.parse(manifest).spec);
    const queryOf = (component: string) =>
      scaledObjects().find(({ scaleTargetRef }) => scaleTargetRef.name === `${RELEASE}-rela-${component}`)!
        .triggers[0]!.metadata.query;

    it('leaves the number of workers to KEDA, and of nobody else', () => {
      const deployments = deploymentsOf(rendered.get('KEDA')!);
      const scaled = scaledObjects().map(({ scaleTargetRef }) => scaleTargetRef.name);
      const workers = ['embed-worker', 'train-worker', 'train-worker-gpu'];
      expect(scaled).toEqual(workers.map((component) => `${RELEASE}-rela-${component}`));
      for (const { metadata, spec } of deployments.values())
        expect(spec.replicas === undefined, metadata.name).toBe(scaled.includes(metadata.name));
      for (const { spec } of deploymentsOf(rendered.get('a GPU')!).values())
        expect(spec.replicas).toBeTypeOf('number');
    });

    it('takes as many stages for one worker as that runs at once', () => {
      const manifests = rendered.get('KEDA')!;
      for (const { scaleTargetRef, triggers } of scaledObjects()) {
        const component = scaleTargetRef.name.replace(`${RELEASE}-rela-`, '');
        const config = loadConfig(environmentOf(manifests, deploymentsOf(manifests).get(component)!));
        const atOnce = component === 'embed-worker' ? config.embedConcurrency : config.trainConcurrency;
        expect(Number(triggers[0]!.metadata.targetQueryValue), component).toBe(atOnce);
      }
    });

    it('reads the database by the URL in the Secret, or as a TriggerAuthentication of yours says', async () => {
      const [authentication] = ofKind(rendered.get('KEDA')!, 'TriggerAuthentication');
      expect(authentication!.spec).toEqual({
        secretTargetRef: [{ parameter: 'connection', name: `${RELEASE}-rela`, key: 'DATABASE_URL' }],
      });
      const used = new Set(scaledObjects().map(({ triggers }) => triggers[0]!.authenticationRef.name));
      expect(used).toEqual(new Set([authentication!.metadata.name]));
      const { storage } = SERVERS;
      const bySecret = await render({ existingSecret: 'credentials', storage, keda: { enabled: true } });
      expect(JSON.stringify(ofKind(bySecret, 'TriggerAuthentication'))).toContain(
        '"name":"credentials","key":"DATABASE_URL"',
      );
      const yours = rendered.get('everything of yours')!;
      expect(ofKind(yours, 'TriggerAuthentication')).toEqual([]);
      expect(JSON.stringify(ofKind(yours, 'ScaledObject'))).toContain(
        '"authenticationRef":{"name":"reader"}',
      );
    });

    it('counts every kind of stage for the workers that take it', () => {
      const kindsOf = (component: string) =>
        StageKind.options.filter((kind) => queryOf(component).includes(`'${kind}'`));
      const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
      const config = loadConfig({});
      const { handlers } = createEmbedHandlers({ config, store: openStore('/nowhere'), log });
      expect(kindsOf('embed-worker').sort()).toEqual(Object.keys(handlers).sort());
      const rest = StageKind.options.filter((kind) => !Object.hasOwn(handlers, kind));
      expect(kindsOf('train-worker')).toEqual(rest);
      expect(kindsOf('train-worker-gpu')).toEqual(rest);
    });

    it('counts the stages that are queued or running, in a migrated database', async () => {
      const { database, postgres } = scratch;
      const client = new pg.Client({ connectionString: postgres.url });
      await client.connect();
      const count = async (component: string) => {
        const { rows } = await client.query<Record<string, string>>(queryOf(component));
        expect(rows.map((row) => Object.keys(row).length)).toEqual([1]);
        return Number(Object.values(rows[0]!)[0]);
      };
      const counts = async () => [await count('embed-worker'), await count('train-worker')];
      try {
        expect(await counts()).toEqual([0, 0]);
        const plan = await examplePlan(database, { shards: 3, runs: 2 });
        // The data set of the example waits to be read.
        expect(await counts()).toEqual([1, 0]);
        const job = await database.jobs.create(plan);
        expect(await counts()).toEqual([4, 0]);
        await complete(database, job, ['embed-0', 'embed-1', 'embed-2']);
        expect(await counts()).toEqual([2, 0]);
        await complete(database, job, ['reduce']);
        expect(await counts()).toEqual([1, 2]);
        const training = await claimOf(database, await stageOf(database, job, 'train-0'));
        expect(await counts()).toEqual([1, 2]);
        // What runs stops by itself; what was queued needs nobody any more.
        await database.jobs.pause(job.id);
        expect(await counts()).toEqual([1, 1]);
        await database.jobs.resume(job.id);
        expect(await counts()).toEqual([1, 2]);
        await database.stages.succeed(training, resultOf('train'));
        expect(await counts()).toEqual([1, 2]);
        await complete(database, job, ['evaluate-0', 'train-1', 'evaluate-1']);
        expect(await counts()).toEqual([1, 0]);
      } finally {
        await client.end();
      }
    });
  });
});
