// BullMQ as it comes, on the server of a URL.
import { createPostgresBackend, Queue, Worker, withBackend } from 'bullmq';

export const QUEUE = 'bare';

/** @returns { Queue, Worker, connection } */
export function openBare(url) {
  if (url.startsWith('redis')) {
    const { hostname: host, port } = new URL(url);
    return { Queue, Worker, connection: { host, port: Number(port) } };
  }
  const onPostgres = withBackend((name, options, needs) =>
    createPostgresBackend(name, { ...options, connection: { connectionString: url, migrate: true } }, needs),
  );
  return { ...onPostgres, connection: {} };
}
