/** Manifests as `helm template` renders them from charts/rela, and whether Kubernetes and KEDA know all that stands in them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
export const chart = join(root, 'charts/rela');

/** Of the releases that are rendered here. */
export const RELEASE = 'shop';
/** The oldest Kubernetes that the chart takes; without it helm's own version decides. */
const KUBERNETES = '1.25.0';

/** Whether there is one. */
export const helm = await run('helm', ['version', '--short']).then(
  () => true,
  (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return false;
    throw error;
  },
);

export interface Values {
  [key: string]: unknown;
}

const Environment = z.object({
  name: z.string(),
  value: z.string().optional(),
  valueFrom: z
    .object({ resourceFieldRef: z.object({ containerName: z.string(), resource: z.string() }) })
    .optional(),
});
const Probe = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const Container = z.object({
  name: z.string(),
  image: z.string(),
  command: z.array(z.string()),
  envFrom: z.array(z.record(z.string(), z.object({ name: z.string() }))),
  env: z.array(Environment).default([]),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  startupProbe: Probe.optional(),
  livenessProbe: Probe.optional(),
  readinessProbe: Probe.optional(),
  lifecycle: z.object({ preStop: z.object({ exec: z.object({ command: z.array(z.string()) }) }) }).optional(),
  resources: z.object({ limits: z.record(z.string(), z.union([z.string(), z.number()])) }).optional(),
  securityContext: z.looseObject({ readOnlyRootFilesystem: z.boolean() }),
  volumeMounts: z.array(
    z.object({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().optional() }),
  ),
});
export const Labels = z.record(z.string(), z.string());
const Pod = z.looseObject({
  enableServiceLinks: z.boolean(),
  terminationGracePeriodSeconds: z.number(),
  securityContext: z.looseObject({ runAsUser: z.number() }),
  containers: z.array(Container).length(1),
  volumes: z.array(z.looseObject({ name: z.string() })),
  tolerations: z.array(z.looseObject({ key: z.string() })).optional(),
});
const Deployment = z.object({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.object({
    replicas: z.number().optional(),
    strategy: z.unknown(),
    selector: z.object({ matchLabels: Labels }),
    template: z.object({ metadata: z.looseObject({ labels: Labels }), spec: Pod }),
  }),
});
export type Deployment = z.infer<typeof Deployment>;
export const ScaledObject = z.object({
  spec: z.looseObject({
    scaleTargetRef: z.object({ name: z.string() }),
    minReplicaCount: z.number(),
    maxReplicaCount: z.number(),
    triggers: z
      .array(
        z.object({
          type: z.literal('postgresql'),
          metadata: z.object({ query: z.string(), targetQueryValue: z.string() }),
          authenticationRef: z.object({ name: z.string() }),
        }),
      )
      .length(1),
  }),
});
const Manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
export type Manifest = z.infer<typeof Manifest>;

/** What `helm` prints for these values. @throws Error with what it says where it refuses */
export async function helmWith(values: Values, ...args: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-chart-'));
  try {
    const file = join(folder, 'values.yaml');
    await writeFile(file, JSON.stringify(values));
    return (await run('helm', [...args, '--values', file])).stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function render(values: Values): Promise<Manifest[]> {
  const text = await helmWith(values, 'template', RELEASE, chart, '--kube-version', KUBERNETES);
  return parseAllDocuments(text).flatMap((document) => {
    expect('errors' in document && document.errors).toEqual([]);
    const manifest: unknown = document.toJS();
    return manifest === null ? [] : [Manifest.parse(manifest)];
  });
}

export const ofKind = (manifests: Manifest[], kind: string) =>
  manifests.filter((manifest) => manifest.kind === kind);

export function deploymentsOf(manifests: Manifest[]): Map<string, Deployment> {
  const deployments = ofKind(manifests, 'Deployment').map((manifest) => Deployment.parse(manifest));
  return new Map(deployments.map((deployment) => [containerOf(deployment).name, deployment]));
}

export const containerOf = ({ spec }: Deployment) => spec.template.spec.containers[0]!;

/** The processes' environment as a pod gets it, with what a Secret of the user's would hold. */
export function environmentOf(manifests: Manifest[], deployment: Deployment): Record<string, string> {
  const container = containerOf(deployment);
  const environment: Record<string, string> = {};
  for (const { configMapRef, secretRef } of container.envFrom) {
    const kind = configMapRef ? 'ConfigMap' : 'Secret';
    const { name } = (configMapRef ?? secretRef)!;
    if (name === 'credentials') {
      environment.DATABASE_URL = 'postgres://rela:secret@postgres.example:5432/rela';
      continue;
    }
    const source = ofKind(manifests, kind).find(({ metadata }) => metadata.name === name);
    Object.assign(environment, Labels.parse(source?.data ?? source?.stringData));
  }
  for (const { name, value, valueFrom } of container.env) {
    if (valueFrom) expect(valueFrom.resourceFieldRef.containerName).toBe(container.name);
    environment[name] = value ?? '4';
  }
  return environment;
}

/** Types of the kinds that the chart makes: the module and the name in it. */
export const TYPES: Record<string, [module: string, type: string]> = {
  'v1 ConfigMap': ['kubernetes-models/v1', 'IConfigMap'],
  'v1 Secret': ['kubernetes-models/v1', 'ISecret'],
  'v1 Service': ['kubernetes-models/v1', 'IService'],
  'v1 ServiceAccount': ['kubernetes-models/v1', 'IServiceAccount'],
  'apps/v1 Deployment': ['kubernetes-models/apps/v1', 'IDeployment'],
  'networking.k8s.io/v1 Ingress': ['kubernetes-models/networking.k8s.io/v1', 'IIngress'],
  'policy/v1 PodDisruptionBudget': ['kubernetes-models/policy/v1', 'IPodDisruptionBudget'],
  'keda.sh/v1alpha1 ScaledObject': ['@kubernetes-models/keda/keda.sh/v1alpha1', 'IScaledObject'],
  'keda.sh/v1alpha1 TriggerAuthentication': [
    '@kubernetes-models/keda/keda.sh/v1alpha1',
    'ITriggerAuthentication',
  ],
};

/**
 * What the compiler says of the manifests, each written as a literal of its kind's type: unlike the JSON schemas of
 * Kubernetes, which let unknown fields pass, it names a field that is misspelt.
 */
export async function typeErrors(manifests: Manifest[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-chart-'));
  try {
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    await writeFile(join(folder, 'package.json'), '{"type": "module"}');
    const lines = manifests.map((manifest, index) => {
      const type = TYPES[`${manifest.apiVersion} ${manifest.kind}`];
      expect(type, `a type for ${manifest.apiVersion} ${manifest.kind}`).toBeDefined();
      const [module, name] = type!;
      return `export const _${index}: import('${module}').${name} = ${JSON.stringify(manifest)};`;
    });
    await writeFile(join(folder, 'manifests.ts'), lines.join('\n'));
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext'];
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    return await run(process.execPath, [compiler, ...options, 'manifests.ts'], { cwd: folder }).then(
      ({ stdout }) => stdout,
      (error: { stdout?: string }) => error.stdout || String(error),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
