// Fills an empty database with finished runs as the service leaves them: jobs of several shapes, each a copy of one that the repositories
// made (templates.mjs), over a year. Ids, digests and keys of a copy are its own; equal seeds give equal names, labels and shapes. The
// tables become unlogged: filling them is faster, reading them is the same, and nobody needs them after a crash.
import { createHash } from 'node:crypto';
import { openDatabase } from '@rela/database';
import pg from 'pg';
import { addLiveJobs, makeTemplates, SHARED } from './templates.mjs';

/** What is copied, in an order in which every row finds those that it refers to, and which rows of it are a job's ($1) or a data set's. */
const OF_JOBS = {
  job: 'id = $1',
  job_summary: 'job_id = $1',
  run: 'job_id = $1',
  stage: 'job_id = $1',
  stage_dependency: 'stage_id IN (SELECT id FROM stage WHERE job_id = $1)',
  stage_result: 'result_key IN (SELECT result_key FROM stage WHERE job_id = $1)',
  checkpoint: 'stage_id IN (SELECT id FROM stage WHERE job_id = $1)',
  run_metric: 'run_id IN (SELECT id FROM run WHERE job_id = $1)',
  job_event: 'job_id = $1',
  model: 'run_id IN (SELECT id FROM run WHERE job_id = $1)',
  artifact: `digest IN (SELECT result->>'weights' FROM stage WHERE job_id = $1 AND kind = 'train')`,
  artifact_access: `digest IN (SELECT unnest(ARRAY[result->>'weights', result->>'model']) FROM stage WHERE job_id = $1 AND kind = 'train')`,
};
const OF_DATASETS = {
  dataset: 'id = $1',
  stage: 'dataset_id = $1',
  stage_result: `result_key = 'ingest:' || $1`,
};

const DAYS = 365;
/** Rows are copied by SQL, by so many sessions, each so many jobs at once, which lie side by side then. */
const SESSIONS = 4;
const JOBS_AT_ONCE = 2000;
const SETTINGS = [
  // Triggers and foreign keys would check what is right by how it is made.
  "SET session_replication_role = 'replica'",
  "SET maintenance_work_mem = '256MB'",
  "SET work_mem = '64MB'",
  'SET search_path = public, history',
];
const sha = (text) => createHash('sha256').update(text).digest('hex');

/** How many there are of what grows slower than runs. */
export const datasetsOf = (runs) => 200 + Math.ceil(runs / 200);
export const priorsOf = (runs) => 200 + Math.ceil(runs / 1000);

async function withClients(url, count, work) {
  const clients = Array.from({ length: count }, () => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  try {
    return await work(...clients);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

const columnsOf = async (client, table) =>
  (
    await client.query(
      `SELECT column_name AS name, data_type AS type FROM information_schema.columns
       WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`,
      [table],
    )
  ).rows;

/**
 * The ids, result keys and digests of a template's rows, renamed so that all of them have twelve digits in common, where an id has the time
 * at which it was made: a copy replaces those.
 */
function renamed(texts, mark) {
  const ids = new Set(texts.flatMap((text) => text.match(/\b(?:job|run|stg|ds)_[0-9a-f]{32}\b/g) ?? []));
  const order = new Map(
    [...ids].sort((a, b) => (a.slice(-32) < b.slice(-32) ? -1 : 1)).map((id, at) => [id, at]),
  );
  const nameOf = (id) => {
    const tail = sha(`${mark} ${order.get(id)}`).slice(0, 15);
    return `${id.slice(0, -32)}${mark}7${order.get(id).toString(16).padStart(3, '0')}8${tail}`;
  };
  return texts.map((text) =>
    text
      .replace(/\b(?:job|run|stg|ds)_[0-9a-f]{32}\b/g, nameOf)
      .replace(/\b(embed|reduce|train|evaluate|appraise|sha256):[0-9a-f]{64}\b/g, (name, kind) =>
        SHARED.has(name) ? name : `${kind}:${mark}${sha(name).slice(0, 52)}`,
      ),
  );
}

/** Puts a template's rows into the tables of templates. */
async function keepTemplate(client, tables, { id, number, prefix }) {
  const mark = `${prefix}${number.toString(16).padStart(2, '0')}`;
  const rows = [];
  for (const [table, where] of Object.entries(tables)) {
    const found = await client.query(
      `SELECT row_to_json(one)::text AS line FROM "${table}" AS one WHERE ${where}`,
      [id],
    );
    rows.push(...found.rows.map(({ line }) => ({ table, line })));
  }
  const lines = renamed(
    rows.map(({ line }) => line),
    mark,
  );
  for (const [at, { table }] of rows.entries())
    await client.query(
      `INSERT INTO "template_${table}" SELECT $1::int, $2::int, $3::text, one.* FROM json_populate_record(NULL::"${table}", $4::json) AS one`,
      [number, at, mark, lines[at]],
    );
}

/** What of the JSON names the template, and so is another text in every copy. */
async function markJson(client, template, columns) {
  for (const { name } of columns.filter(({ type }) => type.startsWith('json')))
    await client.query(
      `ALTER TABLE "${template}" ADD COLUMN "${name} marked" boolean;
       UPDATE "${template}" SET "${name} marked" = strpos("${name}"::text, mark) > 0`,
    );
}

/** @returns SQL of the rows of a table's copies from `low` to `high` */
function copies(table, columns, { low, high, own = {}, clones }) {
  const values = columns.map(({ name, type }) => {
    if (own[name]) return own[name];
    if (type === 'text') return `replace(t."${name}", t.mark, c.hex)`;
    if (type.startsWith('json'))
      return `CASE WHEN t."${name} marked" THEN replace(t."${name}"::text, t.mark, c.hex)::${type} ELSE t."${name}" END`;
    return type.startsWith('timestamp') ? `t."${name}" + c.shift` : `t."${name}"`;
  });
  return `SELECT ${values.join(', ')} FROM ${clones} AS c JOIN "template_${table}" AS t ON t.template = c.template
    WHERE c.n BETWEEN ${low} AND ${high} ORDER BY c.n, t.place`;
}

/** Which data sets, priors and jobs there will be, as tables. @returns how many jobs */
async function drawClones(client, { runs, seed, templates, priorId }) {
  const shapes = templates.map(({ weight, runs: each }, at) => `(${at}, ${weight}, ${each})`).join(', ');
  await client.query(`SELECT setseed(${(seed % 1000) / 1000})`);
  const hex = (at) => `lpad(to_hex((extract(epoch FROM ${at}) * 1000)::bigint), 12, '0')`;
  const start = `date_trunc('milliseconds', now()) - interval '${DAYS} days'`;
  const [datasets, priors] = [datasetsOf(runs), priorsOf(runs)];
  const between = (n, count) => `${start} - interval '1 hour' + ${n} * (interval '${DAYS} days' / ${count})`;
  await client.query(`
    CREATE UNLOGGED TABLE history.clone_dataset AS
    SELECT n, template, at, ${hex('at')} AS hex, at - (SELECT created_at FROM template_dataset AS t WHERE t.template = drawn.template) AS shift,
      'pets-' || n % 60 AS name
    FROM (SELECT n, floor(random() * (SELECT count(*) FROM template_dataset))::int AS template, ${between('n', datasets)} AS at
      FROM generate_series(0, ${datasets - 1}) AS n) AS drawn;
    CREATE UNLOGGED TABLE history.clone_prior AS
    SELECT n, 'pr_' || ${hex('at')} || '78' || substr(md5(n::text), 1, 18) AS id, at, 'encoder-' || n % 40 AS name,
      'sha256:' || encode(sha256(('prior ' || n)::bytea), 'hex') AS digest
    FROM (SELECT n, ${between('n', priors)} AS at FROM generate_series(0, ${priors - 1}) AS n) AS drawn;
    CREATE UNLOGGED TABLE history.shape (template int, weight int, runs int);
    INSERT INTO shape VALUES ${shapes};
    CREATE UNLOGGED TABLE history.clone_job AS
    WITH drawn AS MATERIALIZED (
      SELECT n, 100 * random() AS share, random() AS a, random() AS b, random() AS c, random() AS d
      FROM generate_series(1, ${runs}) AS n
    ), shaped AS (
      SELECT drawn.*, shape.template, sum(shape.runs) OVER (ORDER BY n) - shape.runs AS before
      FROM drawn JOIN (SELECT *, sum(weight) OVER (ORDER BY template) AS until FROM shape) AS shape
        ON share < until AND share >= until - weight
    ), kept AS (SELECT *, count(*) OVER () AS jobs FROM shaped WHERE before < ${runs}),
    timed AS (SELECT *, ${start} + n * (interval '${DAYS} days' / jobs) AS at FROM kept)
    SELECT n, template, at, ${hex('at')} AS hex, at - (SELECT created_at FROM template_job AS t WHERE t.template = timed.template) AS shift,
      CASE WHEN a < 0.55 THEN 'Nightly ' || to_char(at, 'YYYY-MM-DD') WHEN a < 0.8 THEN 'sweep/' || n / 20
        WHEN a < 0.95 THEN 'try ' || n END AS name,
      CASE WHEN b < 0.95 THEN jsonb_build_object('team', 'team-' || floor(8 * c * c), 'owner', 'person-' || floor(40 * d),
        'stage', CASE WHEN b < 0.3 THEN 'production' ELSE 'trial' END, 'ticket', 'ML-' || n / 3)
        || CASE WHEN n < jobs / 10 AND d < 0.5 THEN '{"campaign": "spring"}' ELSE '{}' END::jsonb ELSE '{}' END AS labels,
      floor(c * (SELECT count(*) FROM clone_prior)) AS prior,
      floor(d * (SELECT count(*) FROM clone_dataset)) AS dataset
    FROM timed ORDER BY n;
    CREATE INDEX ON clone_job (n);
    ALTER TABLE clone_job ADD COLUMN dataset_id TEXT, ADD COLUMN prior_id TEXT;
    UPDATE clone_job SET prior_id = p.id FROM clone_prior AS p WHERE p.n = clone_job.prior;
    UPDATE clone_job SET dataset_id = replace(t.id, t.mark, d.hex)
    FROM clone_dataset AS d JOIN template_dataset AS t ON t.template = d.template WHERE d.n = clone_job.dataset;
    CREATE UNLOGGED TABLE history.template_prior AS SELECT * FROM prior WHERE id = '${priorId}';
    ANALYZE clone_job, clone_dataset, clone_prior`);
  return Number((await client.query('SELECT max(n) AS count FROM clone_job')).rows[0].count);
}

/** Every index that is no constraint's is dropped and made at the end: that is many times faster. @returns how they are made */
async function dropIndexes(client) {
  const { rows } = await client.query(`
    SELECT indexname AS name, indexdef AS definition FROM pg_indexes
    WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint)`);
  for (const { name } of rows) await client.query(`DROP INDEX "${name}"`);
  return rows.map(({ definition }) => definition);
}

/** Empties every table and makes it unlogged: one after another, since a logged one may not refer to one that is not. */
async function emptyTables(client) {
  const { rows } = await client.query(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('_prisma_migrations', 'artifact_reference')`,
  );
  // The tenant whose all of it is stays.
  const emptied = rows.filter(({ name }) => name !== 'tenant');
  await client.query(`TRUNCATE ${emptied.map(({ name }) => `"${name}"`).join(', ')}`);
  const left = rows.map(({ name }) => name);
  while (left.length > 0) {
    const { rows: free } = await client.query(
      `SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (SELECT 1 FROM pg_constraint
         WHERE contype = 'f' AND confrelid = name::regclass AND conrelid <> confrelid AND conrelid::regclass::text = ANY ($1))`,
      [left],
    );
    for (const { name } of free) {
      await client.query(`ALTER TABLE "${name}" SET UNLOGGED, SET (autovacuum_enabled = off)`);
      left.splice(left.indexOf(name), 1);
    }
  }
}

async function keepTemplates(client, { templates }) {
  for (const table of new Set([...Object.keys(OF_JOBS), ...Object.keys(OF_DATASETS)]))
    await client.query(
      `CREATE UNLOGGED TABLE history."template_${table}" (template int, place int, mark text, LIKE "${table}");
       CREATE UNLOGGED TABLE history."template_of_dataset_${table}" (LIKE history."template_${table}")`,
    );
  const datasets = [...new Set(templates.map(({ datasetId }) => datasetId))];
  for (const [number, id] of datasets.entries())
    await keepTemplate(client, OF_DATASETS, { id, number, prefix: 'd5d5d5d5d5' });
  for (const table of Object.keys(OF_DATASETS)) {
    await client.query(`INSERT INTO "template_of_dataset_${table}" SELECT * FROM "template_${table}"`);
    if (table !== 'dataset') await client.query(`TRUNCATE "template_${table}"`);
  }
  for (const [number, { jobId: id }] of templates.entries())
    await keepTemplate(client, OF_JOBS, { id, number, prefix: 'e7e7e7e7e7' });
}

/** @returns statements that copy a table's templates, some jobs each */
async function copyTable(client, table, { count, own, clones, template = table }) {
  const columns = await columnsOf(client, table);
  await markJson(client, `template_${template}`, columns);
  const statements = [];
  for (let low = 0; low <= count; low += JOBS_AT_ONCE)
    statements.push(
      `INSERT INTO "${table}" ${copies(template, columns, { low, high: low + JOBS_AT_ONCE - 1, own, clones })}`,
    );
  return statements;
}

async function copyPriors(client) {
  const columns = await columnsOf(client, 'prior');
  const values = columns.map(({ name }) => {
    if (name === 'created_at') return 'c.at';
    return ['id', 'name', 'digest'].includes(name) ? `c.${name}` : `t."${name}"`;
  });
  return `INSERT INTO prior SELECT ${values.join(', ')} FROM clone_prior AS c, template_prior AS t ORDER BY c.n`;
}

/** Works the statements off by all sessions at once. */
async function all(clients, statements, said) {
  const left = [...statements];
  let done = 0;
  await Promise.all(
    clients.map(async (client) => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        await client.query(next);
        done++;
        if (done % 50 === 0) said(`${done} of ${statements.length}`);
      }
    }),
  );
}

/**
 * @param url of a migrated database in which nothing is
 * @param options { runs, seed, say }: how many finished runs there shall be at least
 * @returns { jobs, runs, seconds }
 */
export async function fillHistory(url, { runs, seed = 1, say = () => undefined }) {
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const told = (text) => say(`${seconds().toFixed(0)} s: ${text}`);
  const database = await openDatabase(url, { connections: 2 });
  const made = await makeTemplates(database, seed);
  const filled = await withClients(url, SESSIONS, async (...clients) => {
    const [first] = clients;
    await first.query('CREATE SCHEMA history');
    for (const setting of SETTINGS) for (const client of clients) await client.query(setting);
    await keepTemplates(first, made);
    const jobs = await drawClones(first, { ...made, runs, seed });
    await emptyTables(first);
    const definitions = await dropIndexes(first);
    told(`${jobs} jobs to be`);

    const ofDataset = { count: datasetsOf(runs), clones: 'clone_dataset' };
    const ofJob = {
      name: 'c.name',
      labels: 'c.labels',
      short_labels: 'c.labels',
      dataset_id: 'c.dataset_id',
      prior_id: 'c.prior_id',
    };
    const statements = [await copyPriors(first)];
    for (const table of Object.keys(OF_DATASETS))
      statements.push(
        ...(await copyTable(first, table, {
          ...{ ...ofDataset, template: `of_dataset_${table}` },
          own: table === 'dataset' ? { name: 'c.name' } : {},
        })),
      );
    for (const table of Object.keys(OF_JOBS))
      statements.push(
        ...(await copyTable(first, table, {
          count: jobs,
          clones: 'clone_job',
          own: table === 'job' ? ofJob : {},
        })),
      );
    await all(clients, statements, (part) => told(`${part} copies`));
    await first.query(`
      INSERT INTO job_label (key, value, job_id, labels)
      SELECT label.key, label.value, job.id, job.labels FROM job, jsonb_each_text(job.labels) AS label ORDER BY 1, 2, 3`);
    await all(clients, definitions, () => undefined);
    told(`${definitions.length} indexes`);
    await first.query('DROP SCHEMA history CASCADE');
    await addLiveJobs(database);
    // As autovacuum leaves them: read without asking whose rows are visible, and counted.
    await first.query('VACUUM (ANALYZE) job, job_summary, job_label, dataset, prior');
    await first.query('ANALYZE');
    told('statistics');
    const { rows } = await first.query(
      'SELECT count(*)::int AS jobs, (SELECT count(*)::int FROM run) AS runs FROM job',
    );
    return { ...rows[0], seconds: seconds() };
  });
  await database.close();
  return filled;
}
