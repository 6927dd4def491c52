/**
 * JSON Web Tokens of an OpenID provider (OpenID Connect Core 1.0, RFC 7519): signed by one of the keys that the provider publishes, made for
 * this service, not expired, and naming a tenant that there is.
 */
import type { OidcConfig } from '@rela/config';
import { allows, ProblemError, Scope } from '@rela/contracts';
import type { Database } from '@rela/database';
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Identity } from './identity.js';
import { Remembered } from './remembered.js';

const KEPT_MS = 5000;
const MOST_TENANTS = 1000;
const TIMEOUT_MS = 5000;
/** By how much the clocks of two machines may differ. */
const CLOCK_TOLERANCE_SECONDS = 30;
/** A token is signed by a private key: one that is signed by what everybody knows, or by nothing, is none. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

const refusal = (what: string) =>
  new ProblemError('unauthenticated', `The token ${what}. Get a new one from your identity provider.`);

/** Whether it has the form of one: keys have no dots. */
export const isToken = (credential: string): boolean => credential.split('.').length === 3;

/** The widest scope that is named; null where none is. */
function scopeOf(claim: unknown): Scope | null {
  const words = Array.isArray(claim) ? claim : typeof claim === 'string' ? claim.split(/\s+/) : [];
  const named = Scope.options.filter((scope) => words.includes(`rela:${scope}`));
  return named.reduce<Scope | null>((widest, one) => (widest && allows(widest, one) ? widest : one), null);
}

/** What an error of `jose` says about a token. */
function reasonOf(error: unknown): string | null {
  if (error instanceof errors.JWTExpired) return 'has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return error.claim === 'aud' || error.claim === 'iss'
      ? `was not made for this service: its "${error.claim}" is another one`
      : `is not valid: its "${error.claim}" says so`;
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed)
    return 'is not signed by a key that its issuer publishes';
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return null;
  // Without a code of its own: the keys could not be had.
  return error instanceof errors.JOSEError && error.code !== errors.JOSEError.code ? 'is not valid' : null;
}

export class TokenReader {
  readonly #tenants: Remembered<Pick<Identity, 'tenantId' | 'limits'>>;
  #keys: Promise<ReturnType<typeof createRemoteJWKSet>> | null = null;

  constructor(
    private readonly config: OidcConfig,
    { tenants }: Pick<Database, 'tenants'>,
  ) {
    this.#tenants = new Remembered(
      async (name) => {
        const found = await tenants.find(name);
        return found && { tenantId: found.id, limits: found.limits };
      },
      { milliseconds: KEPT_MS, most: MOST_TENANTS },
    );
  }

  /** @throws ProblemError `unauthenticated` for what is wrong with it, `unavailable` where the provider does not answer */
  async identify(token: string): Promise<Identity> {
    const { tenantClaim, scopeClaim } = this.config;
    const claims = await this.#verify(token);
    const scope = scopeOf(claims[scopeClaim]);
    if (!scope)
      throw refusal(
        `allows nothing here: its "${scopeClaim}" names none of rela:read, rela:submit, rela:admin`,
      );
    const name = claims[tenantClaim];
    const tenant = typeof name === 'string' ? await this.#tenants.get(name) : null;
    if (!tenant) throw refusal(`names no tenant of this service in "${tenantClaim}"`);
    return { ...tenant, scope, by: claims.sub ?? 'token' };
  }

  async #verify(token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.config;
    const keys = await this.#keySet();
    try {
      const { payload } = await jwtVerify(token, keys, {
        ...{ issuer, audience, algorithms: ALGORITHMS, clockTolerance: CLOCK_TOLERANCE_SECONDS },
        requiredClaims: ['exp'],
      });
      return payload;
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== null) throw refusal(reason);
      throw new ProblemError(
        'unavailable',
        'The identity provider does not give its public keys. Send the request again shortly.',
        undefined,
        { cause: error },
      );
    }
  }

  /** Asked for once; what failed is asked for again. */
  #keySet() {
    this.#keys ??= this.#find().catch((error: unknown) => {
      this.#keys = null;
      throw new ProblemError(
        'unavailable',
        `The identity provider ${this.config.issuer} does not say where its public keys are. Send the request again shortly.`,
        undefined,
        { cause: error },
      );
    });
    return this.#keys;
  }

  async #find() {
    const { issuer, jwksUrl } = this.config;
    if (jwksUrl !== null) return createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: TIMEOUT_MS });
    const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`the provider answered ${response.status}`);
    const found = Discovery.parse(await response.json());
    if (found.issuer !== issuer) throw new Error(`it says that it is ${found.issuer}`);
    return createRemoteJWKSet(new URL(found.jwks_uri), { timeoutDuration: TIMEOUT_MS });
  }
}
