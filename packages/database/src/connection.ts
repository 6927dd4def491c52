/** One pool of connections with Prisma on top: short transactions, run again after a deadlock, errors translated. */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { DatabaseUnavailable, isConflictOfTransactions, isUnavailable } from './errors.js';
import { type Prisma, PrismaClient } from './generated/client.js';

/** What repositories write through: the client itself, or one transaction of it. */
export type Transaction = Prisma.TransactionClient;

export interface Connection {
  prisma: PrismaClient;
  /** Runs `work` in one transaction, again where it lost a deadlock; so it touches nothing but the database. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** Most connections of this process. */
  connections: number;
  onError: (error: Error) => void;
}

const CONNECT_MILLISECONDS = 5_000;
const TRANSACTION_MILLISECONDS = 30_000;
const DEADLOCK_ATTEMPTS = 5;

export function connect(url: string, options: ConnectionOptions): Connection {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connections,
    connectionTimeoutMillis: CONNECT_MILLISECONDS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'rela',
    // A process that freezes inside a transaction must not hold a job's lock for ever.
    idle_in_transaction_session_timeout: 2 * TRANSACTION_MILLISECONDS,
    lock_timeout: TRANSACTION_MILLISECONDS,
  });
  // A connection may break while it is idle or while it is lent out; either would end the process without a listener.
  pool.on('error', options.onError);
  pool.on('connect', (client) => client.on('error', options.onError));
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });

  async function once<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return prisma.$transaction(work, {
      maxWait: CONNECT_MILLISECONDS,
      timeout: TRANSACTION_MILLISECONDS,
    });
  }
  return {
    prisma,
    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(work);
        } catch (error) {
          if (attempt === DEADLOCK_ATTEMPTS || !isConflictOfTransactions(error)) throw error;
        }
      }
    },
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

type Methods = Record<string, (...parameters: never[]) => unknown>;

/** The same repository, whose methods throw `DatabaseUnavailable` where the database could not be asked. */
export function translating<R extends object>(repository: R): R {
  const translated: Methods = {};
  for (const [name, method] of Object.entries(repository as Methods))
    translated[name] = async (...parameters) => {
      try {
        return await method(...parameters);
      } catch (error) {
        if (isUnavailable(error) && !(error instanceof DatabaseUnavailable))
          throw new DatabaseUnavailable(error);
        throw error;
      }
    };
  return translated as R;
}
