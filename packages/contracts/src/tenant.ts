/** Tenants and their keys: who a request comes from, and what it may do. */
import { z } from 'zod';
import { Name, Timestamp } from './identifiers.js';

/** The tenant of those who have made no other: all that was there before tenants were, and requests of this machine without a key. */
export const DEFAULT_TENANT = { id: 'tnt_00000000000000000000000000000000', name: 'default' } as const;

/** Each scope allows what those before it do. */
export const Scope = z
  .enum(['read', 'submit', 'admin'])
  .describe('`read` looks up, `submit` also makes and changes, `admin` also makes and revokes keys');
export type Scope = z.infer<typeof Scope>;

/** Whether a key of scope `held` may do what needs `needed`. */
export function allows(held: Scope, needed: Scope): boolean {
  return Scope.options.indexOf(held) >= Scope.options.indexOf(needed);
}

export const ApiKeyCreate = z
  .strictObject({
    name: Name,
    scope: Scope,
    expiresAt: Timestamp.optional().describe('the key is refused from then on. Absent: it does not expire'),
  })
  .meta({ id: 'ApiKeyCreate' });
export type ApiKeyCreate = z.infer<typeof ApiKeyCreate>;

export const ApiKeyRotate = z
  .strictObject({
    graceSeconds: z
      .number()
      .int()
      .nonnegative()
      .max(30 * 24 * 3600)
      .default(24 * 3600)
      .describe('the old secret is accepted for this long; 0: it was stolen'),
  })
  .meta({ id: 'ApiKeyRotate' });
export type ApiKeyRotate = z.infer<typeof ApiKeyRotate>;

export const ApiKey = z
  .object({
    id: z.string(),
    name: Name,
    scope: Scope,
    hint: z.string().describe('the first characters of the secret'),
    createdAt: Timestamp,
    expiresAt: Timestamp.nullable(),
    revokedAt: Timestamp.nullable(),
    lastUsedAt: Timestamp.nullable().describe('to the minute'),
  })
  .meta({ id: 'ApiKey' });
export type ApiKey = z.infer<typeof ApiKey>;

export const NewApiKey = ApiKey.extend({
  secret: z.string().describe('what requests carry as `Authorization: Bearer …`; it is shown this once'),
}).meta({ id: 'NewApiKey' });
export type NewApiKey = z.infer<typeof NewApiKey>;

const count = z.number().int().nonnegative();

/** What a tenant may use; what is absent is not limited. */
export const TenantLimits = z
  .strictObject({
    requestsPerMinute: z.number().int().positive().optional().describe('of each API process'),
    queuedJobs: count.optional().describe('jobs that have not ended'),
    runningRuns: count.optional().describe('runs that train or are evaluated at once; the others wait'),
    cpuSecondsPerDay: z
      .number()
      .nonnegative()
      .optional()
      .describe(
        'seconds that stages hold workers without a GPU, a day in UTC; what is more waits for the next day',
      ),
    gpuSecondsPerDay: z.number().nonnegative().optional().describe('the same of workers with a GPU'),
    storageBytes: count.optional().describe('of its data sets, uploads, models and features'),
    share: z
      .number()
      .positive()
      .max(1000)
      .optional()
      .describe('its part of the workers, against the others that wait; 1 where absent'),
    retainJobsDays: z.number().nonnegative().optional().describe('RETAIN_JOBS_DAYS of this tenant'),
    retainResultsDays: z.number().nonnegative().optional().describe('RETAIN_RESULTS_DAYS of this tenant'),
  })
  .meta({ id: 'TenantLimits' });
export type TenantLimits = z.infer<typeof TenantLimits>;

/** A tenant, as those who run the service see it. */
export const Tenant = z
  .object({
    id: z.string(),
    name: Name,
    limits: TenantLimits,
    createdAt: Timestamp,
  })
  .meta({ id: 'Tenant' });
export type Tenant = z.infer<typeof Tenant>;

/** What a tenant uses at the moment. Days are those of UTC; an attempt counts when it has ended. */
export const TenantUsage = z
  .object({
    queuedJobs: z.int().describe('jobs that have not ended'),
    runningRuns: z.int(),
    cpuSecondsToday: z.number(),
    gpuSecondsToday: z.number(),
    storageBytes: z.number(),
  })
  .meta({ id: 'TenantUsage' });
export type TenantUsage = z.infer<typeof TenantUsage>;

/** A tenant as one of its own keys sees it. */
export const Self = Tenant.extend({
  usage: TenantUsage,
  scope: Scope.describe('of the key that the request carries'),
}).meta({
  id: 'Self',
});
export type Self = z.infer<typeof Self>;
