// A server's connections through a place where they can be cut, slowed and held.
import { connect, createServer } from 'node:net';

/** @returns { port, cut(), hold(), slow(milliseconds), free(), leave(), comeBack(), close() } of a proxy in front of host:port */
export async function openProxy({ host, port }) {
  const pairs = new Set();
  let delay = 0;
  let held = false;
  const server = createServer((client) => {
    const upstream = connect({ host, port });
    const pair = [client, upstream];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const [from, to] of [pair, pair.toReversed()]) {
      from.setNoDelay(true);
      from.on('data', (chunk) => {
        if (delay === 0) to.write(chunk);
        else {
          from.pause();
          setTimeout(() => {
            to.write(chunk);
            if (!held) from.resume();
          }, delay);
        }
      });
      from.on('end', () => to.end());
      from.on('error', end);
      from.on('close', end);
    }
    if (held) for (const socket of pair) socket.pause();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const each = (act) => {
    for (const pair of pairs) for (const socket of pair) act(socket);
  };
  const { port: own } = server.address();
  const leave = async () => {
    each((socket) => socket.destroy());
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    port: own,
    cut: () => each((socket) => socket.destroy()),
    /** Nothing gets through, and nobody is told. */
    hold() {
      held = true;
      each((socket) => socket.pause());
    },
    slow(milliseconds) {
      delay = milliseconds;
    },
    free() {
      held = false;
      delay = 0;
      each((socket) => socket.resume());
    },
    /** Connections are refused, as by a server that is not there. */
    leave,
    comeBack: () => new Promise((resolve) => server.listen(own, '127.0.0.1', resolve)),
    close: leave,
  };
}
