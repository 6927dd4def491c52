/** Requests a minute: of a tenant as its limits say, and of an address that shows credentials which are none. Each process counts by itself. */
import rateLimit from '@fastify/rate-limit';
import { ProblemError } from '@rela/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const MINUTE = 60_000;
/** Credentials that are none, from one address: enough for a mistake that repeats itself, too few to guess by. */
const REFUSALS_A_MINUTE = 60;

export interface RateLimits {
  /** Counts a request of a tenant. @throws ProblemError `rate-limited` */
  count(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  /** Counts credentials that are none. @throws ProblemError `rate-limited` */
  countRefusal(request: FastifyRequest, reply: FastifyReply): Promise<void>;
}

export async function limitRates(app: FastifyInstance): Promise<RateLimits> {
  await app.register(rateLimit, { global: false });
  const ofTenant = app.createRateLimit({
    timeWindow: MINUTE,
    max: ({ identity }) => identity.limits.requestsPerMinute ?? Number.MAX_SAFE_INTEGER,
    keyGenerator: ({ identity }) => identity.tenantId,
  });
  const ofAddress = app.createRateLimit({
    timeWindow: MINUTE,
    max: REFUSALS_A_MINUTE,
    keyGenerator: ({ ip }) => ip,
  });

  async function refuseBeyond(
    asked: Awaited<ReturnType<typeof ofTenant>>,
    reply: FastifyReply,
    what: string,
  ): Promise<void> {
    if (asked.isAllowed) return;
    const { max, remaining, ttlInSeconds, isExceeded } = asked;
    // Names of the IETF's draft, version 7, which clients read.
    reply.headers({
      'ratelimit-limit': max,
      'ratelimit-remaining': remaining,
      'ratelimit-reset': ttlInSeconds,
    });
    if (!isExceeded) return;
    reply.header('retry-after', ttlInSeconds);
    throw new ProblemError(
      'rate-limited',
      `${what} more than ${max} requests in a minute. Send this one again in ${ttlInSeconds} s.`,
    );
  }

  return {
    async count(request, reply) {
      if (request.identity.limits.requestsPerMinute === undefined) return;
      await refuseBeyond(await ofTenant(request), reply, 'Your tenant has sent');
    },
    async countRefusal(request, reply) {
      await refuseBeyond(await ofAddress(request), reply, 'Your address has sent wrong credentials with');
    },
  };
}
