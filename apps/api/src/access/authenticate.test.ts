/** Who is let in, as what, and how often. */
import { createServer, request as httpRequest, type Server } from 'node:http';
import { loadConfig } from '@rela/config';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startService, type TestService } from '../testing/service.js';
import { addReadyDataset, smallJob } from '../testing/work.js';
import { TokenReader } from './tokens.js';

const AUDIENCE = 'rela';
type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

const INITIAL = 'a-secret-of-the-deployment-long-enough';

let service: TestService;
let provider: Server;
let issuer: string;
let signing: Key;
let foreign: Key;

/** A provider with one published key, as OpenID Connect Discovery 1.0 says it. */
async function startProvider(): Promise<void> {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  signing = privateKey;
  foreign = (await generateKeyPair('RS256')).privateKey;
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  provider = createServer(({ url }, response) => {
    response.setHeader('content-type', 'application/json');
    if (url === '/.well-known/openid-configuration')
      response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
    else if (url === '/keys') response.end(JSON.stringify({ keys: [jwk] }));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const address = provider.address();
  issuer = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

interface Claims {
  tenant?: string;
  scope?: string | string[];
  audience?: string;
  issuer?: string;
  expires?: string;
  key?: Key;
}

function token({ tenant = 'vision', scope = 'openid rela:submit', expires = '5m', ...other }: Claims = {}) {
  return new SignJWT({ tenant, scope })
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setSubject('someone@example.org')
    .setIssuer(other.issuer ?? issuer)
    .setAudience(other.audience ?? AUDIENCE)
    .setExpirationTime(expires)
    .sign(other.key ?? signing);
}

async function ask(headers: Record<string, string>, path = '/v1/tenant') {
  const response = await fetch(`${service.url}${path}`, { headers });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as { detail: string },
  };
}

const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

beforeAll(async () => {
  await startProvider();
  service = await startService({
    API_AUTHENTICATION: 'required',
    OIDC_ISSUER: issuer,
    OIDC_AUDIENCE: AUDIENCE,
  });
  await service.database.tenants.create('vision');
  await service.database.apiKeys.ensure(INITIAL, { name: 'initial', scope: 'admin' });
});

afterAll(async () => {
  await service.close();
  provider.close();
});

describe('a key', () => {
  it('lets in as its tenant and scope, by either header', async () => {
    for (const headers of [bearer('nothing'), { 'x-api-key': 'nothing' }])
      expect((await ask(headers)).status).toBe(401);
    for (const headers of [bearer(INITIAL), { 'x-api-key': INITIAL }])
      expect(await ask(headers)).toMatchObject({
        status: 200,
        body: { name: 'default', scope: 'admin', limits: {} },
      });
  });

  it('that is missing or malformed is asked for, with how to get one', async () => {
    const missing = await ask({});
    expect(missing).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(missing.headers.get('www-authenticate')).toBe('Bearer realm="rela"');
    expect(missing.body.detail).toContain('rela keys create');
    expect((await ask({ authorization: 'Basic dXNlcjpwYXNz' })).body.detail).toContain('does not hold a key');
  });

  it('that was rotated away or revoked is refused at once', async () => {
    const admin = service.as(
      (await service.database.apiKeys.create({ name: 'admin', scope: 'admin' })).secret,
    );
    const stolen = await admin.keys.create({ name: 'ci', scope: 'submit' });
    expect((await ask(bearer(stolen.secret))).status).toBe(200);
    const fresh = await admin.keys.rotate(stolen.id, { graceSeconds: 0 });
    await expect.poll(async () => (await ask(bearer(stolen.secret))).status).toBe(401);
    expect((await ask(bearer(fresh.secret))).status).toBe(200);
    await admin.keys.revoke(fresh.id);
    await expect.poll(async () => (await ask(bearer(fresh.secret))).status).toBe(401);
  });

  it('that is revoked ends the streams that it has open', async () => {
    const client = service.as(INITIAL);
    await addReadyDataset({ ...service, client }, 'digits');
    const job = await client.jobs.create(smallJob('digits'));
    const { id, secret } = await client.keys.create({ name: 'reader', scope: 'read' });
    const response = await fetch(`${service.url}/v1/jobs/${job.id}/events`, { headers: bearer(secret) });
    const read = response.text();
    await client.keys.revoke(id);
    // With the next heartbeat.
    expect(await read).toContain('event: job');
    await client.jobs.cancel(job.id);
  });

  it('is let in however a path is written, and nobody is without', async () => {
    for (const path of ['/v1/%6aobs', '/%761/jobs', '/v1/jobs?x=/healthz', '//v1/jobs', '/docs/..%2fv1/jobs'])
      expect((await fetch(`${service.url}${path}`)).status, path).toBeGreaterThanOrEqual(400);
    for (const path of ['/healthz', '/openapi.json', '/docs/'])
      expect((await fetch(`${service.url}${path}`)).status, path).toBe(200);
  });
});

describe('a token of the identity provider', () => {
  it('lets in as the tenant that it names, with the widest scope that it names', async () => {
    expect(await ask(bearer(await token()))).toMatchObject({ body: { name: 'vision', scope: 'submit' } });
    const admin = await token({ scope: ['rela:read', 'rela:admin', 'mail'] });
    expect(await ask(bearer(admin))).toMatchObject({ body: { name: 'vision', scope: 'admin' } });
  });

  it('is refused where it is not ours, old, of nobody here, or allows nothing', async () => {
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await token()).split('.')[1]}.`;
    for (const [what, credential] of [
      ['has expired', await token({ expires: '-5m' })],
      ['its "aud" is another', await token({ audience: 'mail' })],
      ['its "iss" is another', await token({ issuer: 'http://127.0.0.1:1' })],
      ['not signed by a key', await token({ key: foreign })],
      ['names no tenant', await token({ tenant: 'nobody' })],
      ['allows nothing here', await token({ scope: 'openid' })],
      ['is not valid', unsigned],
    ] as const) {
      const { status, body } = await ask(bearer(credential));
      expect(body.detail, what).toContain(what);
      expect(status).toBe(401);
    }
  });
});

it('says that the provider does not answer where it gives no keys, and not that the token is wrong', async () => {
  const keyless = createServer((_request, response) => response.writeHead(500).end());
  await new Promise<void>((resolve) => keyless.listen(0, '127.0.0.1', resolve));
  const address = keyless.address();
  const OIDC_JWKS_URL = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`;
  const config = loadConfig({ OIDC_ISSUER: issuer, OIDC_AUDIENCE: AUDIENCE, OIDC_JWKS_URL });
  const reader = new TokenReader(config.api.oidc!, service.database);
  await expect(reader.identify(await token())).rejects.toMatchObject({ code: 'unavailable' });
  keyless.close();
});

describe('requests a minute', () => {
  it('beyond the limit of the tenant are refused with when to come back', async () => {
    const { id } = await service.database.tenants.create('eager');
    await service.database.tenants.limit(id, { requestsPerMinute: 3 });
    const { secret } = await service.database.of(id).apiKeys.create({ name: 'all', scope: 'read' });
    const left: (string | null)[] = [];
    for (let count = 0; count < 3; count++) {
      const { status, headers } = await ask(bearer(secret));
      expect(status).toBe(200);
      expect(headers.get('ratelimit-limit')).toBe('3');
      left.push(headers.get('ratelimit-remaining'));
    }
    expect(left).toEqual(['2', '1', '0']);
    const refused = await ask(bearer(secret));
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate-limited' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    // Nobody else waits for it.
    expect((await ask({ 'x-api-key': INITIAL })).status).toBe(200);
  });

  it('with wrong keys from one address are refused before they are many', async () => {
    const statuses = new Set<number>();
    for (let count = 0; count < 100; count++) statuses.add((await ask(bearer(`guess-${count}`))).status);
    expect([...statuses].sort()).toEqual([401, 429]);
    // Who has a key is let in all the same.
    expect((await ask({ 'x-api-key': INITIAL })).status).toBe(200);
  });
});

describe('a service for this machine alone', () => {
  let local: TestService;
  beforeAll(async () => {
    local = await startService();
  });
  afterAll(() => local.close());

  /** `fetch` lets nobody choose the Host. */
  const statusFor = (host: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = httpRequest(`${local.url}/v1/tenant`, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on('error', reject).end();
    });

  it('needs no key, but for a page that reaches it by a name of another site', async () => {
    expect(await local.client.keys.self()).toMatchObject({ name: 'default', scope: 'admin' });
    expect(await statusFor('localhost:8080')).toBe(200);
    expect(await statusFor('evil.example')).toBe(401);
  });

  it('needs one of a page of another site that posts to it, and of whom a proxy speaks for', async () => {
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${local.url}/v1/tenant`, { headers })).status;
    expect(await status({ 'sec-fetch-site': 'cross-site' })).toBe(401);
    expect(await status({ 'sec-fetch-site': 'same-origin' })).toBe(200);
    expect(await status({ 'x-forwarded-for': '203.0.113.7' })).toBe(401);
  });

  it('refuses a key that is wrong, although it needs none', async () => {
    await expect(local.as('wrong').keys.self()).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});
