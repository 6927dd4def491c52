// Every question that a list, a search or a page of the service puts to the database, as calls of the repositories, and arguments for them
// that are drawn from what is there: common and rare ones, some that nothing fits, and cursors deep in the lists.

import { randomUUID } from 'node:crypto';
import { DEFAULT_TENANT } from '@rela/contracts';
import pg from 'pg';

/** Pages of lists that are filtered are short, so that the smaller history fills them too. */
const [PAGE, FILTERED] = [50, 10];
const NOBODY = `${'0'.repeat(32)}`;
const NOTHING = `sha256:${'0'.repeat(64)}`;
/** Longer than anything is old. */
const NEVER = 20 * 365 * 24 * 3600;

/**
 * @returns `count` jobs of the newer half with what belongs to them, so that there is a page behind each, and as many data sets and priors
 */
export async function drawSample(url, { count, seed = 1 }) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const rows = async (text) => (await client.query(text)).rows;
    const newer = (table) =>
      `id > (SELECT id FROM ${table} ORDER BY id OFFSET (SELECT count(*) / 2 FROM ${table}) LIMIT 1)`;
    const drawn = (table) =>
      `SELECT * FROM ${table} WHERE ${newer(table)} ORDER BY md5(id || '${seed}') LIMIT ${count}`;
    const jobs = await rows(`
      SELECT id, name, labels, status,
        ARRAY(SELECT id FROM run WHERE job_id = job.id ORDER BY position) AS runs,
        ARRAY(SELECT id FROM stage WHERE job_id = job.id ORDER BY position) AS stages,
        ARRAY(SELECT id FROM stage WHERE job_id = job.id AND kind = 'train' ORDER BY position) AS trainings,
        (SELECT id FROM stage WHERE job_id = job.id AND kind = 'reduce') AS reduce,
        (SELECT result->>'targets' FROM stage WHERE job_id = job.id AND kind = 'reduce') AS targets,
        (SELECT digest FROM model WHERE run_id IN (SELECT id FROM run WHERE job_id = job.id) LIMIT 1) AS model,
        (SELECT result->>'weights' FROM stage WHERE job_id = job.id AND kind = 'train' LIMIT 1) AS weights
      FROM (${drawn('job')}) AS job`);
    return { jobs, datasets: await rows(drawn('dataset')), priors: await rows(drawn('prior')) };
  } finally {
    await client.end();
  }
}

const of = (things, argumentsOf) =>
  things.map((thing) => argumentsOf(thing)).filter((given) => given !== null);
const only = (labels, ...keys) => Object.fromEntries(keys.map((key) => [key, labels[key]]));

/** Of jobs: the filters of a list, each from the newest on and behind a job of the sample. */
function jobLists({ jobs }) {
  const labelled = jobs.filter(({ labels }) => labels.team);
  const named = jobs.filter(({ name }) => name);
  const list = (filter) => [{ limit: FILTERED, ...filter }];
  const filtered = {
    'by a common status': of(jobs, () => ({ status: 'succeeded' })),
    'by a rare status': of(jobs, ({ id }) => ({ status: id < 'job_8' ? 'cancelled' : 'failed' })),
    'by a status that few have': of(jobs, () => ({ status: 'running' })),
    'by a common label': of(labelled, ({ labels }) => ({ labels: only(labels, 'team') })),
    'by a label of one job in forty': of(labelled, ({ labels }) => ({ labels: only(labels, 'owner') })),
    'by two common labels': of(labelled, ({ labels }) => ({ labels: only(labels, 'team', 'stage') })),
    'by three labels': of(labelled, ({ labels }) => ({ labels: only(labels, 'team', 'stage', 'owner') })),
    'by a label of old jobs and one of all': of(labelled, ({ labels }) => ({
      labels: { campaign: 'spring', ...only(labels, 'stage') },
    })),
    'by a label and a status': of(labelled, ({ labels }) => ({
      status: 'failed',
      labels: only(labels, 'team'),
    })),
    'by a common name': of(jobs, ({ id }) => ({ name: id.endsWith('a') ? 'NIGHT' : 'sweep/' })),
    'by a name of old jobs': of(jobs, () => ({ name: oldName(jobs) })),
    'by a name and a status': of(jobs, () => ({ name: 'nightly', status: 'failed' })),
    'by a name and a label': of(labelled, ({ labels }) => ({
      name: 'nightly',
      labels: only(labels, 'team'),
    })),
    'by all of it': of(labelled, ({ labels }) => ({
      ...{ name: 'nightly', status: 'succeeded', labels: only(labels, 'team', 'stage') },
    })),
  };
  const cases = {
    newest: of(jobs, () => [{ limit: PAGE }]),
    'behind a cursor': of(jobs, ({ id }) => [{ limit: PAGE, cursor: id }]),
    'by a label of three jobs': of(labelled, ({ labels }) => list({ labels: only(labels, 'ticket') })),
    'by a label of three jobs and a common one': of(labelled, ({ labels }) =>
      list({ labels: only(labels, 'stage', 'ticket') }),
    ),
    'by a label that none has': of(jobs, ({ id }) => list({ labels: { ticket: id } })),
    'by a rare name': of(named, ({ name }) => list({ name })),
    'by a name that none has': of(jobs, ({ id }) => list({ name: id })),
  };
  for (const [name, filters] of Object.entries(filtered)) {
    cases[name] = filters.map(list);
    cases[`${name}, behind a cursor`] = filters.map((filter, at) => list({ ...filter, cursor: jobs[at].id }));
  }
  // Of these a small history has fewer than a page: of the newest alone it has as many as a large one.
  for (const name of ['by three labels', 'by a label and a status'])
    cases[`${name}, the newest`] = filtered[name].map((filter) => list({ ...filter, limit: 1 }));
  return cases;
}

/** A month in which none of the newer half began. */
function oldName(jobs) {
  const first = new Date(Math.min(...jobs.map(({ id }) => Number.parseInt(id.slice(4, 16), 16))));
  first.setUTCMonth(first.getUTCMonth() - 3);
  return `nightly ${first.toISOString().slice(0, 7)}`;
}

function resources(things) {
  return {
    list: {
      newest: of(things, () => [{ limit: PAGE }]),
      'behind a cursor': of(things, ({ id }) => [{ limit: PAGE, cursor: id }]),
    },
    get: { '': of(things, ({ id }) => [id]) },
    find: {
      'by id': of(things, ({ id }) => [id]),
      'by name': of(things, ({ name }) => [name]),
      'by digest': of(things, ({ digest }) => (digest ? [digest] : null)),
      'what is not there': of(things, ({ id }) => [`no ${id}`]),
    },
    names: { '': of(things, () => []) },
  };
}

/** @returns { 'repository.method': { case: [arguments of a call] } } */
export function queriesOf(sample) {
  const { jobs, datasets, priors } = sample;
  const succeeded = jobs.filter(({ status, runs }) => status === 'succeeded' && runs.length > 0);
  const queries = {
    jobs: {
      list: jobLists(sample),
      get: { '': of(jobs, ({ id }) => [id]) },
      summaryHolds: { '': of(jobs, ({ id }) => [id]) },
    },
    datasets: { ...resources(datasets), manifestDigest: { '': of(datasets, ({ id }) => [id]) } },
    priors: resources(priors),
    runs: {
      get: { '': of(jobs, ({ runs }) => [runs.at(-1)]) },
      training: { '': of(jobs, ({ runs }) => [runs.at(-1)]) },
      metrics: {
        'from the first step': of(succeeded, ({ runs }) => [runs.at(-1), { afterStep: 0, limit: 200 }]),
        'a page behind a step': of(succeeded, ({ runs }) => [runs.at(-1), { afterStep: 40, limit: 50 }]),
      },
      checkpoint: {
        'of a run': of(succeeded, ({ runs }) => [runs.at(-1)]),
        'of a stage': of(succeeded, ({ trainings }) => [trainings.at(-1)]),
        'of nothing': of(jobs, () => [`run_${NOBODY}`]),
      },
    },
    stages: {
      get: { '': of(jobs, ({ stages }) => [stages.at(-1)]) },
      page: {
        first: of(jobs, ({ id }) => [id, { limit: PAGE }]),
        'behind a cursor': of(jobs, ({ id, stages }) => [id, { limit: PAGE, cursor: stages[1] }]),
      },
      listByJob: { '': of(jobs, ({ id }) => [id]) },
      requeueLost: { 'none is lost': of(jobs, () => []) },
    },
    deadLetters: {
      list: {
        newest: of(jobs, () => [{ limit: FILTERED }]),
        'behind a cursor': of(jobs, ({ reduce }) => [{ limit: FILTERED, cursor: reduce }]),
      },
    },
    targets: {
      list: {
        newest: of(jobs, () => [{ limit: PAGE }]),
        'behind a cursor': of(jobs, ({ reduce }) => [{ limit: PAGE, cursor: reduce }]),
        'of a job': of(jobs, ({ id }) => [{ limit: PAGE, job: id }]),
        'of a run': of(jobs, ({ runs }) => [{ limit: PAGE, run: runs[0] }]),
        'with a digest': of(succeeded, ({ targets }) => [{ limit: PAGE, digest: targets }]),
        'with a digest that none has': of(jobs, () => [{ limit: PAGE, digest: NOTHING }]),
      },
    },
    events: {
      list: {
        'from the first': of(jobs, ({ id }) => [id, 0, 200]),
        'a page behind one': of(jobs, ({ id }) => [id, 10, 20]),
      },
    },
    artifacts: {
      get: { '': of(succeeded, ({ weights }) => [weights]) },
      access: { '': of(succeeded, ({ weights }) => [weights]) },
    },
    quotas: { usage: { '': of(jobs, () => []) } },
    models: { get: { '': of(succeeded, ({ model }) => [model]) } },
    outbox: {
      take: { '': of(jobs, () => [100]) },
      unsentSince: { '': of(jobs, () => []) },
      stale: {
        'all that were sent': of(jobs, () => [{ olderThanSeconds: -1 }]),
        'none is': of(jobs, () => [{ olderThanSeconds: NEVER }]),
      },
    },
    garbage: {
      forget: {
        'nothing is old': of(jobs, () => [
          { resultSeconds: NEVER, jobSeconds: NEVER, deliverySeconds: NEVER },
        ]),
      },
      unnamed: { 'by digest': of(succeeded, ({ weights }) => ['', [weights, NOTHING]]) },
    },
    idempotency: {
      begin: {
        'a new key': of(jobs, () => [{ key: randomUUID(), route: 'POST /v1/jobs', requestDigest: NOTHING }]),
      },
    },
  };
  return Object.entries(queries).flatMap(([repository, methods]) =>
    Object.entries(methods).flatMap(([method, cases]) =>
      Object.entries(cases).map(([name, calls]) => ({
        ...{ repository, method, calls },
        name: name === '' ? `${repository}.${method}` : `${repository}.${method} ${name}`,
      })),
    ),
  );
}

/** Calls it, and says how many things came back. */
export async function ask(database, { repository, method }, given, tenant = DEFAULT_TENANT.id) {
  // As a tenant asks, where a tenant may.
  const own = database.of(tenant)[repository] ?? {};
  const from = method in own ? own : database[repository];
  const answer = await from[method](...given).catch((error) => {
    // What is asked of a collection that has ended is answered all the same.
    if (error.code === 'collection-ended') return null;
    throw error;
  });
  return (answer?.items ?? (Array.isArray(answer) ? answer : null))?.length ?? null;
}
