/**
 * One dedicated connection for LISTEN, shared by all who wait. It is opened for the first of them, comes back by itself
 * when it breaks, and then wakes everybody, since a notification may have been missed meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { whenAvailable } from '../available.js';
import { DELIVERY_CHANNEL } from '../state/delivery-state.js';
import { EVENT_CHANNEL, KEY_CHANNEL, OUTBOX_CHANNEL, SCHEDULE_CHANNEL } from '../state/events.js';

export interface ListenHandle {
  close(): Promise<void>;
}

export interface Listener {
  /** `onNotify` gets the payload; null means that anything may have happened. */
  listen(channel: string, onNotify: (payload: string | null) => void): Promise<ListenHandle>;
  close(): Promise<void>;
}

const CHANNELS = [EVENT_CHANNEL, OUTBOX_CHANNEL, DELIVERY_CHANNEL, KEY_CHANNEL, SCHEDULE_CHANNEL];
const CONNECT_MILLISECONDS = 5_000;
/** A connection that a network swallowed is found out by asking. */
const CHECK_MILLISECONDS = 15_000;
const REFUSED_MILLISECONDS = 2_000;

export function createListener(url: string, onError: (error: Error) => void): Listener {
  const watchers = new Set<{ channel: string; onNotify: (payload: string | null) => void }>();
  const closing = new AbortController();
  let connection: Promise<pg.Client> | null = null;

  async function open(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: CONNECT_MILLISECONDS,
      keepAlive: true,
      query_timeout: CHECK_MILLISECONDS,
      application_name: 'rela listen',
    });
    client.on('error', onError);
    client.on('notification', ({ channel, payload }) => {
      for (const watcher of watchers) if (watcher.channel === channel) watcher.onNotify(payload ?? '');
    });
    try {
      await client.connect();
      await client.query(CHANNELS.map((channel) => `LISTEN ${channel}`).join('; '));
    } catch (error) {
      client.connection.stream.destroy();
      throw error;
    }
    const check = setInterval(() => {
      client.query('SELECT 1').catch((error: Error) => {
        onError(error);
        // `end` on a dead connection would wait for an answer.
        client.connection.stream.destroy();
      });
    }, CHECK_MILLISECONDS);
    check.unref();
    client.once('end', () => {
      clearInterval(check);
      if (!closing.signal.aborted) connection = reopen();
    });
    return client;
  }

  async function reopen(): Promise<pg.Client> {
    for (;;) {
      try {
        const client = await whenAvailable(open, { signal: closing.signal });
        for (const watcher of watchers) watcher.onNotify(null);
        return client;
      } catch (error) {
        closing.signal.throwIfAborted();
        // Reached but refused, as while a password is being changed: nobody else would try again.
        onError(error as Error);
        await sleep(REFUSED_MILLISECONDS);
      }
    }
  }

  return {
    async listen(channel, onNotify) {
      connection ??= open().catch((error: unknown) => {
        connection = null;
        throw error;
      });
      await connection;
      const watcher = { channel, onNotify };
      watchers.add(watcher);
      return {
        close: async () => {
          watchers.delete(watcher);
        },
      };
    },

    async close() {
      closing.abort();
      watchers.clear();
      const client = await connection?.catch(() => null);
      // A server that is going down may never answer the goodbye.
      if (client) await Promise.race([client.end(), sleep(1_000, undefined, { ref: false })]);
    },
  };
}
