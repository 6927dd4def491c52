// How many jobs a second are accepted? POST /v1/jobs by 50 connections, each validated, authenticated where RELA_API_KEY is given, planned and
// committed, against one process that writes the same rows by bare pg.
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startPeer } from '../peer.mjs';
import { ratesInTurn } from '../service/rates.mjs';
import { createWorld, headers, jobs } from '../service/world.mjs';

const script = (name) => fileURLToPath(new URL(`../service/${name}.mjs`, import.meta.url));
const CONNECTIONS = 50;
const SECONDS = 4;
const PAIRS = 5;
const SHARDS = 8;

/** The rows that the service has written for a job, by table, for the peer. */
async function rowsOf(url, jobId) {
  const client = new pg.Client(url);
  await client.connect();
  const ask = async (text) => (await client.query(text, [jobId])).rows;
  const of = (table) => ask(`SELECT * FROM ${table} WHERE job_id = $1`);
  const within = (table) =>
    ask(`SELECT * FROM ${table} WHERE stage_id IN (SELECT id FROM stage WHERE job_id = $1)`);
  const [job] = await ask('SELECT * FROM job WHERE id = $1');
  const [run, stage, event] = [await of('run'), await of('stage'), await of('job_event')];
  const rows = {
    ...{ job: [job], run, job_event: event },
    stage: stage.map((row) => ({ ...row, status: 'waiting', dispatch: 0 })),
    stage_dependency: await within('stage_dependency'),
    outbox: await within('outbox'),
    queued: stage.filter(({ status }) => status === 'queued').map(({ id }) => id),
    ids: [job, ...run, ...stage].map(({ id }) => id),
  };
  await client.end();
  return rows;
}

async function count(url) {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query('SELECT count(*)::int AS jobs FROM job');
  await client.end();
  return rows[0].jobs;
}

export async function measure(say) {
  const world = await createWorld({ programs: ['api'] });
  const cases = [];
  try {
    const { id: dataset } = await world.addDataset('images', SHARDS);
    for (const [name, jobOf] of Object.entries(jobs)) {
      const { id } = await world.ask('/v1/jobs', jobOf(dataset));
      const start = (which, options) =>
        startPeer([process.execPath, script(which), JSON.stringify({ seconds: SECONDS, ...options })], which);
      const ours = await start('load', {
        ...{ url: world.url, paths: ['/v1/jobs'], method: 'POST', connections: CONNECTIONS },
        ...{
          body: JSON.stringify(jobOf(dataset)),
          headers: { ...headers, 'content-type': 'application/json' },
        },
      });
      const { url } = world.postgres;
      const bare = await start('bare-inserts', { url, rows: await rowsOf(url, id), side: CONNECTIONS });
      const before = await count(url);
      cases.push(
        await ratesInTurn(name, {
          ...{ ours: ours.step, theirs: bare.step, unit: 'jobs/s', pairs: PAIRS, say },
          peer: `bare pg, ${bare.told.connections} connections`,
        }),
      );
      say(`${name}: ${(await count(url)) - before} jobs are in the database`);
      ours.stop();
      bare.stop();
    }
    return cases;
  } finally {
    await world.close();
  }
}
