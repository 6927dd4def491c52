/**
 * Names of receivers, asked of the DNS by sockets of this process first. The system's way (getaddrinfo) has four threads for a whole
 * process: names whose servers never answer would hold them, and with them every other receiver.
 */
import { lookup as lookupBySystem } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import type { Lookup } from '@rela/addresses';

const TIMEOUT_MS = 2000;
const TRIES = 2;

/** @param servers of the DNS; absent: those of the system */
export function createLookup(servers?: string[]): Lookup {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers) resolver.setServers(servers);
  return (host, options, callback) => {
    void Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]).then((answers) => {
      const addresses = answers.flatMap((answer, index) =>
        answer.status === 'fulfilled'
          ? answer.value.map((address) => ({ address, family: index === 0 ? 4 : 6 }))
          : [],
      );
      const [first] = addresses;
      if (first) return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
      const errors = answers.flatMap((answer) =>
        answer.status === 'rejected' ? [answer.reason as Error] : [],
      );
      const silence = errors.find((error) => (error as NodeJS.ErrnoException).code === 'ETIMEOUT');
      if (silence) return callback(silence, []);
      // The DNS knows no such name, or there is none here: a file of hosts may, and a domain that is searched.
      lookupBySystem(host, options, callback);
    });
  };
}
