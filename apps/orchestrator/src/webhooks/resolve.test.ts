/** Against name servers of this process: one that answers, one that knows nothing, one that is silent. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { type Lookup, lookupPublicBy } from '@rela/addresses';
import { afterEach, expect, it } from 'vitest';
import { createLookup } from './resolve.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const A = 1;
const NO_SUCH_NAME = 0x8183;
const ANSWERED = 0x8180;

/** @param address what it answers for every name; null: that there is none; undefined: nothing */
async function nameServer(address: string | null | undefined): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address: from }) => {
    if (address === undefined) return;
    const reply = Buffer.from(query.subarray(0, query.indexOf(0, 12) + 5));
    const isAnswered = address !== null && reply.readUInt16BE(reply.length - 4) === A;
    reply.writeUInt16BE(address === null ? NO_SUCH_NAME : ANSWERED, 2);
    reply.writeUInt16BE(isAnswered ? 1 : 0, 6);
    reply.writeUInt32BE(0, 8);
    const record = [0xc0, 12, 0, A, 0, 1, 0, 0, 0, 0, 0, 4, ...(address ?? '').split('.').map(Number)];
    socket.send(isAnswered ? Buffer.concat([reply, Buffer.from(record)]) : reply, port, from);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  closers.push(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

const ask = (look: Lookup, host: string, options = {}) =>
  new Promise<unknown>((resolve, reject) =>
    look(host, options, (error, address) => (error ? reject(error) : resolve(address))),
  );

it('asks the DNS, and where that knows no such name, the system', async () => {
  const known = createLookup([await nameServer('93.184.216.34')]);
  expect(await ask(known, 'receiver.test')).toBe('93.184.216.34');
  expect(await ask(known, 'receiver.test', { all: true })).toEqual([{ address: '93.184.216.34', family: 4 }]);
  const unknown = createLookup([await nameServer(null)]);
  expect(await ask(unknown, 'localhost')).toBe((await lookup('localhost')).address);
});

it('passes on no private address that the DNS gives', async () => {
  const look = lookupPublicBy(createLookup([await nameServer('169.254.169.254')]));
  await expect(ask(look, 'receiver.test')).rejects.toThrow(
    'receiver.test is an address of a private network',
  );
});

it('leaves the threads of the process to others while a name server is silent', async () => {
  const look = createLookup([await nameServer(undefined)]);
  let ended = 0;
  const silent = Array.from({ length: 8 }, () =>
    ask(look, 'receiver.test').finally(() => {
      ended += 1;
    }),
  );
  const outcomes = Promise.allSettled(silent);
  await lookup('localhost');
  expect(ended).toBe(0);
  for (const outcome of await outcomes)
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ETIMEOUT' } });
});
