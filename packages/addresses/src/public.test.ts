/** What is public and what is not, by address and by name. */
import { expect, it } from 'vitest';
import { assertPublicHost, hostOf, lookupPublic, PrivateAddressError } from './index.js';

const refused = (address: string) => () => assertPublicHost(hostOf(new URL(address)));

it.each([
  'http://127.0.0.1/',
  'http://2130706433/', // 127.0.0.1 as one number
  'http://0x7f.1/',
  'http://10.1.2.3/',
  'http://172.16.5.5/',
  'http://192.168.0.1/',
  'http://169.254.169.254/latest/meta-data/', // what clouds tell their machines
  'http://168.63.129.16/', // and Azure
  'http://100.100.100.200/', // and Alibaba, in a carrier's range
  'http://0.0.0.0/',
  'http://255.255.255.255/',
  'http://224.0.0.1/',
  'http://[::1]/',
  'http://[::]/',
  'http://[::ffff:10.0.0.1]/',
  'http://[::7f00:1]/',
  'http://[64:ff9b::7f00:1]/',
  'http://[2002:7f00:1::]/',
  'http://[fd00:ec2::254]/', // and Amazon
  'http://[fe80::1]/',
  'http://[ff02::1]/',
])('refuses %s', (address) => {
  expect(refused(address)).toThrow(PrivateAddressError);
});

it.each(['http://8.8.8.8/', 'http://[2606:4700::1111]/', 'http://example.com/', 'http://localhost/'])(
  'leaves %s to whoever connects',
  (address) => {
    expect(refused(address)).not.toThrow();
  },
);

it.each([{ all: true }, {}])('gives a connection no private address of a name (%o)', async (options) => {
  const error = await new Promise((resolve) => lookupPublic('localhost', options, resolve));
  expect(String(error)).toBe('PrivateAddressError: localhost is an address of a private network');
});
