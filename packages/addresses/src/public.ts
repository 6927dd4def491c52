/**
 * Public addresses of the Internet, told from those of private networks, of this machine, and of what clouds tell their machines. IPv4 in
 * an IPv6 address is judged as IPv4.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import ipaddr from 'ipaddr.js';

/** Somebody named an address that only this machine, or its network, can reach. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
  readonly code = 'private-address';
  constructor(host: string) {
    super(`${host} is an address of a private network`);
  }
}

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Public by their number, and yet not of the Internet. */
const REFUSED: Range[] = [
  // IPv4-compatible IPv6 (RFC 4291, 2.5.5.1): leads to what is behind the last four bytes.
  ipaddr.parseCIDR('::/96'),
  // What Azure tells its machines.
  ipaddr.parseCIDR('168.63.129.16/32'),
];

/** @throws Error where `address` is none */
export function isPublic(address: string): boolean {
  const parsed = ipaddr.process(address);
  const isRefused = REFUSED.some((range) => parsed.kind() === range[0].kind() && parsed.match(range));
  return parsed.range() === 'unicast' && !isRefused;
}

/** The host of an address as a connection is made to it: IPv6 without its brackets. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/** @throws PrivateAddressError for an address that is written down and not public. A name says nothing yet. */
export function assertPublicHost(host: string): void {
  if (ipaddr.isValid(host) && !isPublic(host)) throw new PrivateAddressError(host);
}

type Callback = (error: Error | null, address: string | LookupAddress[], family?: number) => void;
export type Lookup = (host: string, options: LookupOptions, callback: Callback) => void;

/**
 * A `lookup` for connections that passes on public addresses only. The connection is made to one of those, so that a second answer changes
 * nothing. Fails with a PrivateAddressError where there is none.
 * @param look up of names, such as `dns.lookup`
 */
export const lookupPublicBy =
  (look: Lookup): Lookup =>
  (host, options, callback) =>
    look(host, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const open = (found as LookupAddress[]).filter(({ address }) => isPublic(address));
      const [first] = open;
      if (!first) return callback(new PrivateAddressError(host), []);
      if (options.all) callback(null, open);
      else callback(null, first.address, first.family);
    });

export const lookupPublic = lookupPublicBy(lookup);
