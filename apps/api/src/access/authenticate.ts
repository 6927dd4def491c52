/**
 * Who a request comes from, before anything of it is read. Every route but a few needs a key or a token, whose scope has to allow what the
 * route does; a route says so itself only where reading is not `read` or writing is not `submit`, so that a new one cannot be forgotten.
 * A route gets the tenant's database and no other.
 */
import { isLoopback } from '@rela/config';
import { allows, DEFAULT_TENANT, ProblemError, type Scope, TenantLimits } from '@rela/contracts';
import type { TenantDatabase } from '@rela/database';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApiDependencies } from '../dependencies.js';
import { type Identity, localIdentity } from './identity.js';
import { KeyRing } from './keys.js';
import { limitRates } from './rate-limit.js';
import { Remembered } from './remembered.js';
import { isToken, TokenReader } from './tokens.js';

declare module 'fastify' {
  interface FastifyRequest {
    identity: Identity;
    /** Whether the same credentials would still be let in: for answers that go on for hours. A database that is away says nothing against them. */
    isStillAllowed: () => Promise<boolean>;
    /** What the tenant of the request has. */
    database: TenantDatabase;
  }
  interface FastifyContextConfig {
    /** What a key has to allow; absent: `read` to look something up, `submit` for the rest. */
    scope?: Scope;
  }
}

const HOW =
  'Send it as "Authorization: Bearer <key>"; `rela keys create` makes one, and so does POST /v1/keys for who has an admin key.';

/** The credentials of a request. RFC 6750, and the header that simple clients send. @throws ProblemError for what is neither */
function credentialOf({ headers }: FastifyRequest): string | null {
  const { authorization } = headers;
  if (authorization !== undefined) {
    const bearer = /^bearer +([\w~+/.=-]+) *$/i.exec(authorization)?.[1];
    if (bearer === undefined)
      throw new ProblemError('unauthenticated', `The Authorization header does not hold a key. ${HOW}`);
    return bearer;
  }
  const key = headers['x-api-key'];
  return typeof key === 'string' ? key : null;
}

/**
 * A page of another site may reach this machine through the browser of its user, by a name that leads here, or by this machine's own: it chooses
 * neither the Host nor what the browser says of where it comes from. A proxy on this machine speaks for others.
 */
function isFromHere({ hostname, ip, headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined) return false;
  const address = ip.replace(/^::ffff:/, '');
  return isLoopback(address) && isLoopback(hostname.replace(/^\[|\]$/g, ''));
}

/** What needs no key: how the service is, and what it offers. By the route that was found, however its path was written. */
const OPEN = /^\/(healthz|readyz|openapi\.json|docs(\/.*)?)$/;

export async function authenticateRequests(
  app: FastifyInstance,
  { config, database }: Pick<ApiDependencies, 'config' | 'database'>,
): Promise<void> {
  const { authentication, oidc } = config.api;
  const keys = new KeyRing(database, app.log);
  const tokens = oidc && new TokenReader(oidc, database);
  const local = new Remembered(
    async () => {
      const found = await database.tenants.find(DEFAULT_TENANT.id);
      return localIdentity(found?.limits ?? {});
    },
    { milliseconds: 5000, most: 1 },
  );
  const byDefault = TenantLimits.parse(config.tenantLimits);
  const rates = await limitRates(app);
  app.addHook('onReady', () => keys.start());
  app.addHook('preClose', () => keys.stop());
  // What a request holds is set below; this gives every request the same shape.
  app.decorateRequest('identity', null as unknown as Identity);
  app.decorateRequest('isStillAllowed', null as unknown as FastifyRequest['isStillAllowed']);
  app.decorateRequest('database', null as unknown as TenantDatabase);

  async function identify(request: FastifyRequest): Promise<Identity> {
    const credential = credentialOf(request);
    if (credential === null) {
      if (authentication === 'local' && isFromHere(request)) return (await local.get('local'))!;
      throw new ProblemError('unauthenticated', `The request has no key. ${HOW}`);
    }
    if (tokens && isToken(credential)) return tokens.identify(credential);
    const identity = await keys.identify(credential);
    if (identity) return identity;
    throw new ProblemError(
      'unauthenticated',
      `The key is not known here, was revoked, or has expired. ${HOW}`,
    );
  }

  app.addHook('onRequest', async (request, reply) => {
    const route = request.routeOptions.url;
    // A path that leads nowhere is answered so, to everybody.
    if (route === undefined || OPEN.test(route)) return;
    try {
      const identity = await identify(request);
      request.identity = { ...identity, limits: { ...byDefault, ...identity.limits } };
    } catch (error) {
      if (error instanceof ProblemError && error.code === 'unauthenticated') {
        reply.header('www-authenticate', 'Bearer realm="rela"');
        await rates.countRefusal(request, reply);
      }
      throw error;
    }
    await rates.count(request, reply);
    const { tenantId, scope, by } = request.identity;
    const needed = scopeNeeded(request);
    if (!allows(scope, needed))
      throw new ProblemError(
        'forbidden',
        `This needs the scope "${needed}", and the key has "${scope}". Ask an admin of your tenant for another key.`,
      );
    request.isStillAllowed = async () => {
      try {
        const now = await identify(request);
        return now.tenantId === tenantId && allows(now.scope, needed);
      } catch (error) {
        return !(error instanceof ProblemError && error.code === 'unauthenticated');
      }
    };
    request.database = database.of(tenantId);
    request.log = request.log.child({ tenant: tenantId, by });
  });
}

function scopeNeeded({ method, routeOptions }: FastifyRequest): Scope {
  const asked = routeOptions.config?.scope;
  if (asked !== undefined) return asked;
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' ? 'read' : 'submit';
}
