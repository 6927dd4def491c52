/**
 * Connections of two kinds: those of what is asked by keys all the time, whose statements are prepared once, and those of everything else, with
 * Prisma on top. Short transactions, run again after a deadlock, errors translated.
 */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { DatabaseUnavailable, isConflictOfTransactions, isUnavailable } from './errors.js';
import { Prisma, PrismaClient } from './generated/client.js';

/** What repositories write through: the client itself, or one transaction of it. */
export type Transaction = Prisma.TransactionClient;

/** What SQL goes through: Prisma's client, a transaction of it, or a connection of the pool on which Prisma has no part. */
export interface Statements {
  $queryRaw<Rows = unknown>(
    query: TemplateStringsArray | Prisma.Sql,
    ...values: unknown[]
  ): PromiseLike<Rows>;
}

export interface Connection {
  prisma: PrismaClient;
  /**
   * One statement that is prepared once a connection: for what is asked by keys all the time. Each table is reached by `= ANY` of keys or by a
   * sub-query for one row, never by a join: a plan is kept, and a join that was best for a table of a page goes through all of the table later.
   */
  direct: Statements;
  /** One statement that is planned for its values each time: for what is searched for, of which there may be one or a million. */
  searching: Statements;
  /** As `transaction`, without Prisma: its statements are prepared once a connection, and cost a fifth of the processor's time. */
  directly<T>(work: (tx: Statements) => Promise<T>): Promise<T>;
  /** Runs `work` in one transaction, again where it lost a deadlock; so it touches nothing but the database. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** Most connections of this process, of each of the two kinds. */
  connections: number;
  onError: (error: Error) => void;
}

const CONNECT_MILLISECONDS = 5_000;
const TRANSACTION_MILLISECONDS = 30_000;
const DEADLOCK_ATTEMPTS = 5;

/** Names of prepared statements by their text. The texts are few: values are parameters, lists are arrays. */
const names = new Map<string, string>();

function nameOf(text: string): string {
  const known = names.get(text);
  if (known) return known;
  const name = `rela_${names.size}`;
  names.set(text, name);
  return name;
}

function statementsOf(server: Pick<pg.Pool | pg.PoolClient, 'query'>, { prepared = true } = {}): Statements {
  return {
    async $queryRaw<Rows>(query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]) {
      const sql = 'raw' in query ? Prisma.sql(query, ...values) : query;
      const { text } = sql;
      // A server that a network swallowed says nothing, for ever.
      const limit = { query_timeout: TRANSACTION_MILLISECONDS };
      const { rows } = await server.query({
        ...(prepared && { name: nameOf(text) }),
        ...{ text, values: sql.values, ...limit },
      });
      return rows as Rows;
    },
  };
}

export function connect(url: string, options: ConnectionOptions): Connection {
  const settings: pg.PoolConfig = {
    connectionString: url,
    max: options.connections,
    connectionTimeoutMillis: CONNECT_MILLISECONDS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'rela',
    // A process that freezes inside a transaction must not hold a job's lock for ever.
    idle_in_transaction_session_timeout: 2 * TRANSACTION_MILLISECONDS,
    lock_timeout: TRANSACTION_MILLISECONDS,
    // A sweep reads for minutes; what takes longer is a statement that nobody waits for any more, and would go on for as long as it likes.
    statement_timeout: 20 * TRANSACTION_MILLISECONDS,
  };
  const pool = new pg.Pool(settings);
  // A table of a page or two is best read whole, and the plan that says so is kept while a job adds a hundred thousand rows to it. A bitmap of an
  // index has the entries of all rows that have gone: they are never marked, as a scan of the index marks them for the next.
  const keyed = new pg.Pool({ ...settings, options: '-c enable_seqscan=off -c enable_bitmapscan=off' });
  // A connection may break while it is idle or while it is lent out; either would end the process without a listener.
  for (const each of [pool, keyed]) {
    each.on('error', options.onError);
    each.on('connect', (client) => client.on('error', options.onError));
  }
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });

  async function once<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return prisma.$transaction(work, {
      maxWait: CONNECT_MILLISECONDS,
      timeout: TRANSACTION_MILLISECONDS,
    });
  }

  async function onceDirectly<T>(work: (tx: Statements) => Promise<T>): Promise<T> {
    const client = await keyed.connect();
    let fault: unknown;
    try {
      await client.query('BEGIN');
      const answer = await work(statementsOf(client));
      await client.query('COMMIT');
      return answer;
    } catch (error) {
      fault = error;
      throw error;
    } finally {
      // A connection that broke, or owes an answer, is not asked for a rollback: the server makes one when it is gone.
      const isSound =
        fault === undefined ||
        (!isUnavailable(fault) &&
          (await client.query('ROLLBACK').then(
            () => true,
            () => false,
          )));
      client.release(!isSound);
    }
  }

  async function retrying<T>(once: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await once();
      } catch (error) {
        if (attempt === DEADLOCK_ATTEMPTS || !isConflictOfTransactions(error)) throw error;
      }
    }
  }

  return {
    prisma,
    direct: statementsOf(keyed),
    searching: statementsOf(pool, { prepared: false }),
    transaction: (work) => retrying(() => once(work)),
    directly: (work) => retrying(() => onceDirectly(work)),
    async close() {
      await prisma.$disconnect();
      await Promise.all([pool.end(), keyed.end()]);
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
