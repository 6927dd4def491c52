/**
 * Addresses of Redis, in the forms that its clients share:
 *
 *   redis[s]://[user:password@]host[:6379][/database]                                       one server
 *   redis[s]+sentinel://[user:password@]host[:26379],…/master[/database]                    as redis-sentinel-url, LangChain
 *   redis[s]+cluster://[user:password@]host[:6379],…                                        as the package `limits`
 *
 * ioredis reads the first form alone and takes the others as options. Names in the query are those of redis-py and Celery.
 */

export interface RedisHost {
  host: string;
  port: number;
}

export interface RedisLogin {
  /** Absent: the user `default`. */
  username?: string;
  password?: string;
}

/** Paths of PEM files. */
export interface RedisTls {
  /** Whom to trust; absent: the authorities that Node trusts. */
  authority?: string;
  /** What the client shows of itself, where the server asks for it. */
  certificate?: string;
  key?: string;
}

interface RedisCommon {
  kind: 'redis';
  hosts: RedisHost[];
  login: RedisLogin;
  /** null: without TLS */
  tls: RedisTls | null;
}

export type RedisServer = RedisCommon &
  (
    | { form: 'single'; database: number }
    | { form: 'sentinel'; database: number; master: string; sentinelLogin: RedisLogin }
    | { form: 'cluster' }
  );

const ADDRESS = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^/?#]*)@)?([^/?#@]*)([^?#]*)(\?[^#]*)?$/;
const PORTS = { single: 6379, sentinel: 26379, cluster: 6379 };
const TLS_FILES = { ssl_ca_certs: 'authority', ssl_certfile: 'certificate', ssl_keyfile: 'key' } as const;
const SENTINEL_LOGIN = ['sentinel_username', 'sentinel_password'];

/** @throws Error with what is wrong, where `url` is none of the forms */
export function parseRedisUrl(url: string): RedisServer {
  const parts = url.match(ADDRESS);
  if (!parts) throw new Error('it has parts that an address does not have');
  const [, secure, named = 'single', login = '', hostList = '', path = '', query = ''] = parts;
  const form = named as RedisServer['form'];
  const hosts = hostList.split(',').map((host) => parseHost(host, PORTS[form]));
  if (form === 'single' && hosts.length > 1) throw new Error('several hosts need +sentinel or +cluster');

  const settings = parseQuery(query, [
    ...(secure ? Object.keys(TLS_FILES) : []),
    ...(form === 'sentinel' ? SENTINEL_LOGIN : []),
  ]);
  const common = {
    kind: 'redis' as const,
    hosts,
    login: parseLogin(login),
    tls: secure ? tlsOf(settings) : null,
  };
  const names = path.split('/').filter(Boolean).map(decode);
  switch (form) {
    case 'single':
      return { ...common, form, database: parseDatabase(names) };
    case 'sentinel': {
      const [master, ...rest] = names;
      if (!master) throw new Error("the master's name is missing after the hosts");
      const sentinelLogin = loginOf(settings.get('sentinel_username'), settings.get('sentinel_password'));
      return { ...common, form, master, database: parseDatabase(rest), sentinelLogin };
    }
    case 'cluster':
      if (names.join() !== '' && names.join() !== '0') throw new Error('a cluster has the database 0 alone');
      return { ...common, form };
  }
}

function parseHost(text: string, defaultPort: number): RedisHost {
  const address = `redis://${text}`;
  if (text === '' || !URL.canParse(address)) throw new Error(`"${text}" is no host with a port`);
  const { hostname, port } = new URL(address);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || defaultPort };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The text may be a password: it is not repeated.
    throw new Error('a % in it is not followed by two hexadecimal digits; write a % of a password as %25');
  }
}

function parseLogin(text: string): RedisLogin {
  const colon = text.indexOf(':');
  if (colon < 0) return loginOf(decode(text), undefined);
  return loginOf(decode(text.slice(0, colon)), decode(text.slice(colon + 1)));
}

function loginOf(username: string | null | undefined, password: string | null | undefined): RedisLogin {
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) };
}

function parseDatabase([database = '0', ...more]: string[]): number {
  if (more.length > 0 || !/^\d+$/.test(database)) throw new Error('the database is not a number');
  return Number(database);
}

function parseQuery(query: string, known: string[]): URLSearchParams {
  const settings = new URLSearchParams(query);
  const unknown = [...settings.keys()].find((name) => !known.includes(name));
  if (unknown === undefined) return settings;
  const choice = known.length > 0 ? `it may have ${known.join(', ')}` : 'it may have none (TLS is rediss://)';
  throw new Error(`it has the parameter "${unknown}"; ${choice}`);
}

function tlsOf(settings: URLSearchParams): RedisTls {
  const files = Object.entries(TLS_FILES).flatMap(([name, file]) => {
    const path = settings.get(name);
    return path ? [[file, path]] : [];
  });
  return Object.fromEntries(files);
}
