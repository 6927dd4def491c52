/** What the queue's tests need of a server, whichever it is. */
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';

export interface TestServer {
  url: string;
  /** Takes the server away for a moment and brings it back; of one that is not ours, cuts every connection. */
  interrupt(): Promise<void>;
  /** Removes every message. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
