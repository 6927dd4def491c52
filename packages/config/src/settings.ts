/** Every setting of the service: its environment variable, its default, what it means. The only place that reads them. */
import { availableParallelism } from 'node:os';
import { delimiter, resolve } from 'node:path';
import { z } from 'zod';

const DAY = 24 * 3600;

const seconds = (byDefault: number) => z.coerce.number().positive().default(byDefault);

export const Settings = z.object({
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .optional()
    .describe('PostgreSQL, version 13 or newer. Absent: `rela up` starts an embedded one'),
  QUEUE_URL: z
    .string()
    .regex(/^(rediss?(\+(sentinel|cluster))?|postgres(ql)?):\/\/./, {
      error: 'it must begin with redis://, rediss://, redis+sentinel://, redis+cluster:// or postgres://',
    })
    .optional()
    .describe(
      'Redis 6.2 or newer, also over TLS, by Sentinel or as a cluster ([its forms](queue.md)), or a PostgreSQL. Absent: the database',
    ),
  STORAGE_URL: z
    .string()
    .min(1)
    .optional()
    .describe('s3://bucket/prefix?endpoint=…&region=…, or a folder. Absent: a folder in RELA_HOME'),
  RELA_HOME: z.string().min(1).default('.rela').describe('folder of everything that `rela up` keeps'),
  API_HOST: z.string().default('127.0.0.1').describe('address that the API listens on'),
  API_PORT: z.coerce.number().int().min(0).max(65535).default(8080).describe('port that the API listens on'),
  API_AUTHENTICATION: z
    .enum(['local', 'required'])
    .optional()
    .describe(
      '`required`: every request carries a key or a token. `local`: those of this machine need none, and are the default tenant’s. Absent: `local` where the API listens on this machine alone, which is the only place where it may be',
    ),
  RELA_API_KEY: z
    .string()
    .min(1)
    .optional()
    .describe(
      'key that the command line sends. Absent: the one that the first `rela up` made, for its service',
    ),
  INITIAL_API_KEY: z
    .string()
    .regex(/^[\w~+/=-]{32,200}$/, 'it must have 32 to 200 letters, digits and ~ + / = - _')
    .optional()
    .describe(
      'a secret that is made an admin key of the default tenant at the start, at least 32 characters',
    ),
  OIDC_ISSUER: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('issuer of JSON Web Tokens that are accepted beside keys'),
  OIDC_AUDIENCE: z.string().min(1).optional().describe('the `aud` that such a token has to have'),
  OIDC_JWKS_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('its public keys. Absent: as /.well-known/openid-configuration of the issuer says'),
  OIDC_TENANT_CLAIM: z.string().min(1).default('tenant').describe('the claim with the name of the tenant'),
  OIDC_SCOPE_CLAIM: z
    .string()
    .min(1)
    .default('scope')
    .describe('the claim with `rela:read`, `rela:submit` or `rela:admin`, as words of a text or as a list'),
  DATA_FOLDERS: z
    .string()
    .min(1)
    .transform((text) => text.split(delimiter).filter((folder) => folder !== ''))
    .optional()
    .describe(
      'folders, separated as in PATH, below which requests may name files of the service; all tenants share them. Absent: the default tenant names any, the others none',
    ),
  TENANT_LIMITS: z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue('it is not JSON');
        return z.NEVER;
      }
    })
    .pipe(z.record(z.string(), z.number()))
    .optional()
    .describe('limits of tenants that have none of their own, as JSON: [its fields](tenants.md)'),
  MAX_UPLOAD_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(2 * 1024 ** 3)
    .describe('largest uploaded artifact'),
  MAX_PIXELS: z.coerce.number().int().positive().default(64e6).describe('largest image that is decoded'),
  S3_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'server that data sets at s3://bucket/key are read from, and exports written to. Absent: the one of STORAGE_URL, else Amazon',
    ),
  S3_REGION: z.string().min(1).optional().describe('its region. Absent: the one of STORAGE_URL'),
  PRIVATE_ADDRESSES: z
    .enum(['true', 'false'])
    .default('false')
    .describe(
      'whether CSV manifests and webhooks may name addresses of private networks and of the service itself',
    ),
  ENGINE: z
    .enum(['auto', 'compiled', 'webgpu', 'cuda', 'eager'])
    .default('auto')
    .describe('what runs training steps; `rela engines` lists them, with what auto takes'),
  KERNELS: z
    .enum(['fixed', 'measured'])
    .default('fixed')
    .describe(
      'kernels of convolutions: the same on every machine, or the fastest here, timed once a shape; a run keeps those it began with',
    ),
  PRECISION: z
    .enum(['fast', 'strict'])
    .default('fast')
    .describe('strict leaves out the least accurate kernels, and runs priors as ONNX Runtime does by itself'),
  THREADS: z.coerce
    .number()
    .int()
    .positive()
    .default(availableParallelism())
    .describe('threads of one embedding or training'),
  EMBED_CONCURRENCY: z.coerce
    .number()
    .int()
    .positive()
    .default(1)
    .describe('stages that one embed worker runs at once'),
  TRAIN_CONCURRENCY: z.coerce
    .number()
    .int()
    .positive()
    .default(1)
    .describe('stages that one train worker runs at once'),
  LEASE_SECONDS: seconds(30).describe('a worker that is silent for this long has lost its stage'),
  CHECKPOINT_SECONDS: seconds(20).describe('longest training time between two checkpoints'),
  GARBAGE_GRACE_SECONDS: z.coerce
    .number()
    .nonnegative()
    .default(24 * 3600)
    .describe(
      'artifacts that nothing refers to are removed when nobody has written or asked for them for this long; not less than an hour where they are in S3',
    ),
  RETAIN_RESULTS_DAYS: z.coerce
    .number()
    .nonnegative()
    .default(30)
    .describe('results of stages that no job has taken again for this long are forgotten'),
  RETAIN_JOBS_DAYS: z.coerce
    .number()
    .nonnegative()
    .optional()
    .describe(
      'jobs that ended this long ago are forgotten, with their runs, metrics and models. Absent: never',
    ),
  RETAIN_DELIVERIES_DAYS: z.coerce
    .number()
    .positive()
    .default(30)
    .describe('what was sent to webhooks, and what they answered, is forgotten after so long'),
  MAX_ATTEMPTS: z.coerce.number().int().positive().default(5).describe('tries of a stage before it fails'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export interface Config {
  databaseUrl: string | null;
  queueUrl: string | null;
  storageUrl: string;
  home: string;
  api: {
    host: string;
    port: number;
    maxUploadBytes: number;
    authentication: 'local' | 'required';
    /** Made a key at the start; null: none is. */
    initialKey: string | null;
    oidc: OidcConfig | null;
  };
  /** Below which files may be named, as whole paths; null: not said. */
  dataFolders: string[] | null;
  /** What the command line shows a service; null: not said. */
  apiKey: string | null;
  /** Of tenants that have none of their own. */
  tenantLimits: Record<string, number>;
  maxPixels: number;
  /** Where data sets in buckets are read from; null: not said. */
  s3: { endpoint: string | null; region: string | null };
  privateAddresses: boolean;
  engine: 'auto' | 'compiled' | 'webgpu' | 'cuda' | 'eager';
  kernels: 'fixed' | 'measured';
  precision: 'fast' | 'strict';
  threads: number;
  embedConcurrency: number;
  trainConcurrency: number;
  leaseSeconds: number;
  checkpointSeconds: number;
  maxAttempts: number;
  garbage: {
    graceSeconds: number;
    resultSeconds: number;
    jobSeconds: number | null;
    deliverySeconds: number;
  };
  logLevel: string;
}

/** Whose tokens are accepted, and what in them says what. */
export interface OidcConfig {
  issuer: string;
  audience: string;
  jwksUrl: string | null;
  tenantClaim: string;
  scopeClaim: string;
}

/** A setting is wrong or missing; the text names the variable. */
export class ConfigError extends Error {
  readonly code = 'invalid-config';
  override readonly name = 'ConfigError';
}

/** Reads `environment` once. @throws ConfigError naming every variable that is wrong. */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = Settings.safeParse(present);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(`The environment is not valid. ${faults.join('. ')}`);
  }
  const read = parsed.data;
  const home = resolve(read.RELA_HOME);
  return {
    databaseUrl: read.DATABASE_URL ?? null,
    queueUrl: read.QUEUE_URL ?? read.DATABASE_URL ?? null,
    storageUrl: read.STORAGE_URL ?? resolve(home, 'artifacts'),
    home,
    api: {
      ...{ host: read.API_HOST, port: read.API_PORT, maxUploadBytes: read.MAX_UPLOAD_BYTES },
      authentication: authenticationOf(read),
      initialKey: read.INITIAL_API_KEY ?? null,
      oidc: oidcOf(read),
    },
    dataFolders: read.DATA_FOLDERS?.map((folder) => resolve(folder)) ?? null,
    apiKey: read.RELA_API_KEY ?? null,
    tenantLimits: read.TENANT_LIMITS ?? {},
    maxPixels: read.MAX_PIXELS,
    s3: dataServer(read),
    privateAddresses: read.PRIVATE_ADDRESSES === 'true',
    engine: read.ENGINE,
    kernels: read.KERNELS,
    precision: read.PRECISION,
    threads: read.THREADS,
    embedConcurrency: read.EMBED_CONCURRENCY,
    trainConcurrency: read.TRAIN_CONCURRENCY,
    leaseSeconds: read.LEASE_SECONDS,
    checkpointSeconds: read.CHECKPOINT_SECONDS,
    maxAttempts: read.MAX_ATTEMPTS,
    garbage: {
      graceSeconds: read.GARBAGE_GRACE_SECONDS,
      resultSeconds: DAY * read.RETAIN_RESULTS_DAYS,
      jobSeconds: read.RETAIN_JOBS_DAYS === undefined ? null : DAY * read.RETAIN_JOBS_DAYS,
      deliverySeconds: DAY * read.RETAIN_DELIVERIES_DAYS,
    },
    logLevel: read.LOG_LEVEL,
  };
}

/** Whether an address is reached from this machine alone. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

/** @throws ConfigError where anybody could come in */
function authenticationOf({ API_AUTHENTICATION, API_HOST }: z.infer<typeof Settings>): 'local' | 'required' {
  if (API_AUTHENTICATION === 'local' && !isLoopback(API_HOST))
    throw new ConfigError(
      `API_AUTHENTICATION is "local" and API_HOST is ${API_HOST}: whoever reaches that address could do everything. Leave API_AUTHENTICATION out, or listen on 127.0.0.1.`,
    );
  return API_AUTHENTICATION ?? (isLoopback(API_HOST) ? 'local' : 'required');
}

/** @throws ConfigError for a half of it */
function oidcOf(read: z.infer<typeof Settings>): OidcConfig | null {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience } = read;
  if (issuer === undefined && audience === undefined) return null;
  if (issuer === undefined || audience === undefined)
    throw new ConfigError(
      'OIDC_ISSUER and OIDC_AUDIENCE belong together: a token that was made for another service is not accepted here.',
    );
  return {
    ...{ issuer, audience, jwksUrl: read.OIDC_JWKS_URL ?? null },
    ...{ tenantClaim: read.OIDC_TENANT_CLAIM, scopeClaim: read.OIDC_SCOPE_CLAIM },
  };
}

/** A store in S3 is most often beside the data: its server is theirs where no other is named. */
function dataServer(read: z.infer<typeof Settings>): Config['s3'] {
  const store =
    read.STORAGE_URL?.startsWith('s3://') && URL.canParse(read.STORAGE_URL)
      ? new URL(read.STORAGE_URL)
      : null;
  const isOther = read.S3_ENDPOINT !== undefined;
  return {
    endpoint: read.S3_ENDPOINT ?? store?.searchParams.get('endpoint') ?? null,
    region: read.S3_REGION ?? (isOther ? null : (store?.searchParams.get('region') ?? null)),
  };
}

/** The database's address. @throws ConfigError where it is absent: only `rela up` brings its own. */
export function requireDatabase(config: Config): { databaseUrl: string; queueUrl: string } {
  if (!config.databaseUrl || !config.queueUrl)
    throw new ConfigError(
      'DATABASE_URL is not set. Set it, or start everything with `rela up`, which brings a database.',
    );
  return { databaseUrl: config.databaseUrl, queueUrl: config.queueUrl };
}
