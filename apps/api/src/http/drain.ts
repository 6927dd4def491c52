/**
 * Closes connections in order when the server stops. Node waits for every open one, also for those that a client holds
 * in reserve and never used; here a connection goes as soon as no request of it is under way.
 */
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Requests under way get this long to finish. */
const GRACE = 3000;

export function drainOnClose(app: FastifyInstance): void {
  const underWay = new Map<Socket, number>();
  let closing = false;
  const release = (socket: Socket) => {
    if (closing && underWay.get(socket) === 0) socket.destroySoon();
  };
  app.server.on('connection', (socket) => {
    underWay.set(socket, 0);
    socket.once('close', () => underWay.delete(socket));
  });
  app.server.on('request', ({ socket }, response) => {
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const count = underWay.get(socket);
      if (count === undefined) return;
      underWay.set(socket, count - 1);
      release(socket);
    });
  });
  app.addHook('preClose', async () => {
    closing = true;
    for (const socket of underWay.keys()) release(socket);
    const deadline = setTimeout(() => {
      for (const socket of underWay.keys()) socket.destroy();
    }, GRACE);
    app.server.once('close', () => clearTimeout(deadline));
  });
}
