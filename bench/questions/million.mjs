// Do lists stay as fast as they are when there are a million finished runs? The 99th percentile of every call that lists, searches or looks
// something up, over many different arguments, with 1,000,000 runs in the database and with 1,000, on one embedded Postgres: both are asked
// in turn, argument by argument, in several rounds. Of each argument the median of its rounds counts, and of those the 99th percentile:
// which arguments take long, not which moments did; one call in a hundred is held up by something else on a shared machine. That of all
// single calls is told too (`single`), as are the first round, which finds its pages on the disk, and the pages of 8 KiB that a call reads.
//
// MILLION_FOLDER keeps the databases there and finds them again; MILLION_RUNS and MILLION_ARGUMENTS are other numbers of
// runs than a million and of arguments than a hundred, to try it out.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { migrate, openDatabase, startEmbeddedPostgres } from '@rela/database';
import { createRandom } from '@rela/random';
import pg from 'pg';
import { fillHistory } from '../million/history.mjs';
import { readsOf } from '../million/plans.mjs';
import { ask, drawSample, queriesOf } from '../million/queries.mjs';
import { quantile } from '../pairs.mjs';

const RUNS = { many: Number(env.MILLION_RUNS ?? 1_000_000), few: 1000 };
const ARGUMENTS = Number(env.MILLION_ARGUMENTS ?? 100);
const ROUNDS = 7;
/** Calls of which the pages are counted. */
const EXPLAINED = 5;

async function withClient(url, work) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A database of its own for so many runs: the one that is there, or a new one. */
async function historyOf(postgres, runs, say) {
  const name = `runs_${runs}`;
  const url = postgres.url.replace(/postgres$/, name);
  const rows = (at, text) => withClient(at, async (client) => (await client.query(text)).rows);
  const there = await rows(postgres.url, `SELECT 1 FROM pg_database WHERE datname = '${name}'`);
  if (there.length === 0) {
    await rows(postgres.url, `CREATE DATABASE ${name}`);
    await migrate(url);
    const { seconds } = await fillHistory(url, { runs, say: (text) => say(`${runs} runs, ${text}`) });
    say(`${runs} runs after ${seconds.toFixed(0)} s`);
  }
  const tables = await rows(
    url,
    `SELECT relname AS name, reltuples::bigint::float8 AS rows, pg_table_size(oid)::float8 AS bytes, pg_indexes_size(oid)::float8 AS "indexBytes"
     FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples > 0 ORDER BY pg_total_relation_size(oid) DESC`,
  );
  const database = await openDatabase(url, { connections: 2 });
  return { url, tables, database, queries: queriesOf(await drawSample(url, { count: ARGUMENTS })) };
}

async function milliseconds(database, query, given) {
  const began = performance.now();
  const items = await ask(database, query, given);
  return { took: performance.now() - began, items };
}

const p99 = (values) => quantile(values, 0.99);
const median = (values) => quantile(values, 0.5);
const ofArguments = (rounds) => rounds[0].map((_, at) => median(rounds.map((times) => times[at])));

/** @returns the rounds' times of both sides, the first of them cold, and how many things came back */
async function rounds(sides, query) {
  const found = { many: [], few: [] };
  const items = { many: 0, few: 0 };
  for (let round = 0; round <= ROUNDS; round++) {
    const times = { many: [], few: [] };
    // In another order each round: what this process clears away now and then falls on the same call every time otherwise.
    for (const at of createRandom(round, query.name).permutation(ARGUMENTS))
      for (const side of round % 2 === 0 ? ['many', 'few'] : ['few', 'many']) {
        const { calls } = sides[side].queries.find(({ name }) => name === query.name);
        const one = await milliseconds(sides[side].database, query, calls[at % calls.length]);
        times[side][at] = one.took;
        items[side] += (one.items ?? 1) / (ARGUMENTS * (ROUNDS + 1));
      }
    for (const side of ['many', 'few']) found[side].push(times[side]);
  }
  return { found, items };
}

async function pagesOf({ url, database, queries }, name) {
  const query = queries.find((one) => one.name === name);
  return withClient(url, async (client) => {
    const pages = [];
    for (const given of query.calls.slice(0, EXPLAINED))
      pages.push((await readsOf(client, () => ask(database, query, given))).buffers);
    return Math.max(...pages);
  });
}

export async function measure(say) {
  const kept = env.MILLION_FOLDER;
  const folder = kept ?? (await mkdtemp(join(tmpdir(), 'rela-bench-')));
  const postgres = await startEmbeddedPostgres({ folder });
  const sides = {};
  try {
    for (const [side, runs] of Object.entries(RUNS)) sides[side] = await historyOf(postgres, runs, say);
    const cases = [];
    for (const query of sides.many.queries) {
      const { found, items } = await rounds(sides, query);
      const [cold, ...many] = found.many;
      const few = found.few.slice(1);
      const [value, reference] = [many, few].map((rounds) => p99(ofArguments(rounds)));
      const ratios = many.map((times, round) => p99(times) / p99(few[round]));
      const pages = {
        many: await pagesOf(sides.many, query.name),
        few: await pagesOf(sides.few, query.name),
      };
      cases.push({
        ...{ name: query.name, unit: 'ms', value, reference, ratio: value / reference },
        ...{ lowerQuartile: quantile(ratios, 0.25), samples: ARGUMENTS * ROUNDS, dropped: 0 },
        ...{ single: p99(many.flat()), referenceSingle: p99(few.flat()), cold: p99(cold) },
        ...{ median: median(many.flat()), referenceMedian: median(few.flat()) },
        ...{ pages: pages.many, referencePages: pages.few, items: items.many, referenceItems: items.few },
      });
      say(sentenceOf(cases.at(-1)));
    }
    for (const { name, rows, bytes, indexBytes } of sides.many.tables)
      say(
        `${name}: ${rows} rows, ${(bytes / 1e9).toFixed(2)} GB and ${(indexBytes / 1e9).toFixed(2)} GB of indexes`,
      );
    cases.push(...sizes(sides));
    return cases;
  } finally {
    for (const { database } of Object.values(sides)) await database.close();
    await postgres.stop();
    if (!kept) await rm(folder, { recursive: true, force: true });
  }
}

function sentenceOf({ name, value, reference, ratio, single, referenceSingle, cold, pages, referencePages }) {
  const against = (one, other) => `${one.toFixed(1)} against ${other.toFixed(1)} ms`;
  return `${name}: p99 ${against(value, reference)} (${ratio.toFixed(2)}), single ${against(single, referenceSingle)}, cold ${cold.toFixed(1)} ms, ${pages} against ${referencePages} pages`;
}

/** How big the tables are: bytes with their indexes. */
const sizes = ({ many, few }) =>
  many.tables.map(({ name, rows, bytes, indexBytes }) => {
    const other = few.tables.find((table) => table.name === name);
    return {
      ...{
        name: `size of ${name}`,
        unit: 'bytes',
        value: bytes + indexBytes,
        ratio: null,
        lowerQuartile: null,
      },
      ...{
        reference: other ? other.bytes + other.indexBytes : null,
        rows,
        indexBytes,
        samples: 1,
        dropped: 0,
      },
    };
  });
