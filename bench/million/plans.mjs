// How PostgreSQL does what a call of a repository asks: the statements that the call sends, each explained with its own parameters.
import pg from 'pg';

/** @returns { answer, statements: [{ text, values }] } of everything that `work` sends meanwhile; nobody else may send something */
export async function statementsOf(work) {
  const statements = [];
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (...given) {
    const [first, values = []] = given;
    if (typeof first === 'object' && typeof first.text === 'string')
      statements.push({ text: first.text, values: first.values ?? values });
    else if (typeof first === 'string')
      statements.push({ text: first, values: Array.isArray(values) ? values : [] });
    return query.apply(this, given);
  };
  try {
    const answer = await work();
    const isControl = /^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|SET|DEALLOCATE)\b/i;
    return { answer, statements: statements.filter(({ text }) => !isControl.test(text)) };
  } finally {
    pg.Client.prototype.query = query;
  }
}

function* nodesOf(plan) {
  yield plan;
  for (const inner of plan.Plans ?? []) yield* nodesOf(inner);
}

const SCANS = new Set([
  'Seq Scan',
  'Index Scan',
  'Index Only Scan',
  'Bitmap Heap Scan',
  'Tid Scan',
  'Sample Scan',
]);

/**
 * Runs the statement once more and takes back what it did.
 * @returns { buffers, rows, whole }: pages and rows of tables that were read, and of which tables all rows, in one pass
 */
export async function planOf(client, { text, values }) {
  await client.query('BEGIN');
  try {
    const { rows } = await client.query({
      text: `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${text}`,
      values,
    });
    const [{ Plan: plan }] = rows[0]['QUERY PLAN'];
    const nodes = [...nodesOf(plan)];
    const scans = nodes.filter((node) => SCANS.has(node['Node Type']));
    const read = (node) =>
      node['Actual Loops'] *
      ((node['Actual Rows'] ?? 0) +
        (node['Rows Removed by Filter'] ?? 0) +
        (node['Rows Removed by Index Recheck'] ?? 0));
    return {
      plan,
      buffers: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
      rows: scans.reduce((sum, node) => sum + read(node), 0),
      whole: scans.filter((node) => node['Node Type'] === 'Seq Scan').map((node) => node['Relation Name']),
    };
  } finally {
    await client.query('ROLLBACK');
  }
}

/** What a call does, summed over its statements. */
export async function readsOf(client, work) {
  const { answer, statements } = await statementsOf(work);
  const plans = [];
  for (const statement of statements) plans.push({ ...statement, ...(await planOf(client, statement)) });
  const sum = (key) => plans.reduce((total, plan) => total + plan[key], 0);
  return {
    answer,
    plans,
    buffers: sum('buffers'),
    rows: sum('rows'),
    whole: plans.flatMap(({ whole }) => whole),
  };
}
