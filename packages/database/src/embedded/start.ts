/**
 * An embedded Postgres for one machine: `startEmbeddedPostgres`.
 *
 * Who owns a server is decided inside the server: the owner's guard connection holds an advisory lock, which the
 * kernel gives back when the owner dies, however it dies. The states of an embedded server:
 *
 *     starting ──lock taken──▶ serving ──guard connection lost──▶ recovering ──server up, lock taken──▶ serving
 *     recovering ──another process has the lock──▶ lost
 *     any ──stop()──▶ stopped
 */
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { findAccount } from './account.js';
import { EmbeddedPostgresError } from './error.js';
import { removeLeftovers } from './leftovers.js';
import { knownPlace, openPlace, rememberedPort, rememberPort } from './place.js';
import {
  findPostmaster,
  initialise,
  logTail,
  type Server,
  spawnPostmaster,
  stopPostmaster,
} from './postmaster.js';
import { findPrograms } from './programs.js';

const START_MILLISECONDS = 60_000;
/** A server that is there but does not answer for this long is stopped and started anew. */
const SILENCE_MILLISECONDS = 20_000;
/** How long a dead owner's lock may take to be given back. */
const LOCK_MILLISECONDS = 3_000;
const PAUSE_MILLISECONDS = 50;
/** "rela" in ASCII: the advisory lock of the owner. */
const OWNER_LOCK = 0x72656c61;

export interface EmbeddedPostgresOptions {
  folder: string;
  /** Absent: the port of the last start, or a free one. */
  port?: number;
  /** Told what a person may want to know: data kept elsewhere, the server lost and started again. */
  onNotice?: (text: string) => void;
}

export interface EmbeddedPostgres {
  /** postgres://… on 127.0.0.1; stays the same while the server lives, also over restarts of it. */
  url: string;
  /** Where the data are: inside the folder, or under /var/tmp where the server's user cannot reach it. */
  dataFolder: string;
  /** Process id of the server now, for those who measure it. */
  pid(): Promise<number | null>;
  /** Stops the server; everything is on disk when it resolves. */
  stop(): Promise<void>;
}

function urlOf(port: number, password: string): string {
  return `postgres://rela:${password}@127.0.0.1:${port}/postgres`;
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

async function anyFreePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

async function choosePort(server: Server, wanted: number | undefined): Promise<number> {
  if (wanted !== undefined) {
    if (await isFree(wanted)) return wanted;
    throw new EmbeddedPostgresError(
      'start-failed',
      `Port ${wanted} on 127.0.0.1 is taken by another program. Choose another one for the database, or none.`,
    );
  }
  const last = await rememberedPort(server.place);
  return last !== null && (await isFree(last)) ? last : anyFreePort();
}

async function connect(url: string): Promise<pg.Client | null> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    application_name: 'rela embedded',
  });
  // Without a listener a lost connection ends the process; what has to be done is done on 'end', which follows.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    if ((error as { code?: string }).code === '28P01')
      throw new EmbeddedPostgresError(
        'start-failed',
        'The database does not accept the password that lies beside it. Restore the file "password" of its folder, ' +
          'or delete the folder to start empty.',
        { cause: error },
      );
    // Not up yet, or going down: the caller looks again.
    return null;
  }
}

async function takeLock(client: pg.Client, folder: string): Promise<void> {
  for (const end = Date.now() + LOCK_MILLISECONDS; ; await sleep(PAUSE_MILLISECONDS)) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
      OWNER_LOCK,
    ]);
    if (rows[0]?.taken) return;
    if (Date.now() < end) continue;
    await client.end();
    throw new EmbeddedPostgresError(
      'in-use',
      `Another process already runs the database in ${folder}. Stop it, or use another folder.`,
    );
  }
}

/** One guard connection to a server that runs; starts it, adopts it, or replaces one that is silent. */
async function seize(
  server: Server,
  wanted: number | undefined,
): Promise<{ guard: pg.Client; port: number }> {
  const { place } = server;
  let silentSince: number | null = null;
  for (const end = Date.now() + START_MILLISECONDS; Date.now() < end; await sleep(PAUSE_MILLISECONDS)) {
    const running = await findPostmaster(place.data);
    if (!running) {
      silentSince = null;
      await spawnAndWait(server, await choosePort(server, wanted));
      continue;
    }
    const port = running.port;
    const guard = port === null ? null : await connect(urlOf(port, place.password));
    if (guard && port !== null) {
      await takeLock(guard, place.folder);
      if (wanted === undefined || wanted === port) return { guard, port };
      // Left behind by a process that was asked for another port.
      await guard.end();
      await stopPostmaster(server);
      continue;
    }
    silentSince ??= Date.now();
    if (Date.now() - silentSince > SILENCE_MILLISECONDS) {
      await stopPostmaster(server);
      silentSince = null;
    }
  }
  throw new EmbeddedPostgresError(
    'start-failed',
    `The PostgreSQL server of ${place.folder} did not start within ${START_MILLISECONDS / 1000} seconds. ` +
      `Its log ends with:\n${await logTail(place)}`,
  );
}

/** Address of the server that another process runs on `folder`, as it was when it started; null where none ever ran. */
export async function embeddedPostgresUrl(folder: string): Promise<string | null> {
  const place = await knownPlace(folder);
  return place && urlOf(place.port, place.password);
}

/** Returns once the new process answers or has gone; it goes where another start was faster. */
async function spawnAndWait(server: Server, port: number): Promise<void> {
  let gone = false;
  const { exited } = await spawnPostmaster(server, port);
  void exited.then(() => {
    gone = true;
  });
  for (const end = Date.now() + SILENCE_MILLISECONDS; !gone && Date.now() < end; ) {
    const client = await connect(urlOf(port, server.place.password));
    if (client) return client.end();
    await Promise.race([exited, sleep(PAUSE_MILLISECONDS)]);
  }
}

/**
 * Starts the Postgres whose data are in `folder`, or takes over the one that a killed process left running there.
 * While the returned object lives, a server that dies is started again on the same port.
 * @throws EmbeddedPostgresError
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const notice = options.onNotice ?? (() => undefined);
  const account = await findAccount();
  const place = await openPlace(options.folder, account);
  if (place.ground !== place.folder) {
    notice(`PostgreSQL may not enter ${place.folder}; its data are in ${place.ground}.`);
    await removeLeftovers(place.ground);
  }
  const server: Server = { place, account, programs: await findPrograms(place, account) };
  await initialise(server);
  const first = await seize(server, options.port);
  await rememberPort(place, first.port);

  let state: 'serving' | 'recovering' | 'lost' | 'stopped' = 'serving';
  let guard = first.guard;
  let recovery: Promise<void> | null = null;

  function watch(client: pg.Client): void {
    guard = client;
    client.once('end', () => {
      if (state === 'serving') recovery = recover();
    });
  }
  async function recover(): Promise<void> {
    state = 'recovering';
    notice(`The database in ${place.folder} went away; starting it again.`);
    while (state === 'recovering') {
      try {
        const { guard: next } = await seize(server, first.port);
        if (state === 'recovering') {
          state = 'serving';
          watch(next);
        } else await next.end();
      } catch (error) {
        notice(`The database in ${place.folder} does not come back: ${(error as Error).message}`);
        if (state === 'recovering' && error instanceof EmbeddedPostgresError && error.code === 'in-use')
          state = 'lost';
        await sleep(1_000, undefined, { ref: false });
      }
    }
  }
  watch(first.guard);

  return {
    url: urlOf(first.port, place.password),
    dataFolder: place.data,
    pid: async () => (await findPostmaster(place.data))?.pid ?? null,
    async stop() {
      if (state === 'stopped') return;
      state = 'stopped';
      await recovery;
      await guard.end();
      await stopPostmaster(server);
    },
  };
}
