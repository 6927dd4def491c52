// The rows of a submission by bare pg: for every line on stdin, transactions side by side for some seconds, and how long a thousand took.
// The only argument: { url, rows, side, seconds } as JSON. `rows` are those of a job that the service wrote, by table.
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import pg from 'pg';

const { url, rows, side, seconds } = JSON.parse(process.argv[2]);
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
/** Connections that are tried: the fastest number of them counts. */
const CONNECTIONS = [5, 10, 20];
const TRIAL_SECONDS = 1.5;

/** In the order in which they refer to one another. */
const TABLES = ['job', 'run', 'stage', 'stage_dependency', 'job_event', 'outbox'];
/** Columns with a default that the service leaves to it. */
const BY_DEFAULT = new Set(['id of outbox', 'created_at', 'available_at', 'at']);

/** One prepared INSERT a table, and the values of its parameters with ids put in their places. */
const statements = TABLES.filter((table) => rows[table].length > 0).map((table) => {
  const columns = Object.keys(rows[table][0]).filter(
    (column) => !BY_DEFAULT.has(column) && !BY_DEFAULT.has(`${column} of ${table}`),
  );
  const places = rows[table].map(
    (_, row) => `(${columns.map((_column, at) => `$${row * columns.length + at + 1}`).join(', ')})`,
  );
  const values = rows[table].flatMap((row) =>
    columns.map((column) => {
      const value = row[column];
      return value !== null && typeof value === 'object' ? JSON.stringify(value) : value;
    }),
  );
  return {
    name: table,
    text: `INSERT INTO ${table} (${columns.map((column) => `"${column}"`).join(', ')}) VALUES ${places.join(', ')}`,
    values,
  };
});
const ids = new Set(rows.ids);

/** Every id of the example anew. */
function freshIds() {
  const known = new Map();
  return (value) => {
    if (typeof value !== 'string' || !ids.has(value)) return value;
    if (!known.has(value)) known.set(value, `${value.split('_')[0]}_${randomBytes(16).toString('hex')}`);
    return known.get(value);
  };
}

async function submit(pool) {
  const fresh = freshIds();
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    for (const { name, text, values } of statements) {
      await client.query({ name, text, values: values.map(fresh) });
      // A new stage waits: the database takes no other. Those that wait for nothing are queued next.
      if (name === 'stage')
        await client.query({
          name: 'queue',
          text: `UPDATE stage SET status = 'queued', dispatch = 1 WHERE id = ANY($1)`,
          values: [rows.queued.map(fresh)],
        });
    }
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

async function run(pool, duration) {
  const began = performance.now();
  const end = began + 1000 * duration;
  let count = 0;
  await Promise.all(
    Array.from({ length: side }, async () => {
      while (performance.now() < end) {
        await submit(pool);
        count++;
      }
    }),
  );
  return { seconds: (performance.now() - began) / count, count };
}

let fastest = null;
for (const connections of CONNECTIONS) {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  // The server stops before this process where a bench breaks off.
  pool.on('error', () => undefined);
  await run(pool, 0.5);
  const { seconds: took } = await run(pool, TRIAL_SECONDS);
  if (fastest) await (took < fastest.took ? fastest.pool : pool).end();
  if (!fastest || took < fastest.took) fastest = { pool, took, connections };
}
answer({ connections: fastest.connections });
for await (const _ of createInterface({ input: process.stdin })) answer(await run(fastest.pool, seconds));
await fastest.pool.end();
