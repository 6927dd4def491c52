/**
 * What may be removed: results that no job takes any more, jobs that ended long ago, and artifacts that no row names. A sweep of the storage:
 *
 *   forget old rows ─▶ collect every digest that a row names ─▶ for each artifact that is none of them and that nobody
 *   wrote or touched for the grace time: remove it
 *
 * Safe beside everything else, since whoever is about to name an artifact that exists touches it first, or takes a result whose row is
 * locked and marked as used in the transaction that names it.
 */
import { randomUUID } from 'node:crypto';
import type { Connection, Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';

/** What a sweep relies on is gone: another sweep began, or the server crashed. Nothing may be concluded from it any more. */
export class CollectionEnded extends Error {
  override readonly name = 'CollectionEnded';
  readonly code = 'collection-ended';
  constructor() {
    super('The collection of references has ended before the sweep; the next sweep makes a new one.');
  }
}

export interface Retention {
  /** Results that no job has taken for this long are forgotten. */
  resultSeconds: number;
  /** Jobs that ended this long ago are forgotten, with their runs, metrics and events; null: never. */
  jobSeconds: number | null;
  /** Deliveries to webhooks that ended this long ago, or that wait for so long for one that is off, are forgotten with their attempts. */
  deliverySeconds: number;
}

export interface Forgotten {
  results: number;
  jobs: number;
  deliveries: number;
}

/** "gc" in ASCII, behind the service's own number: one sweep at a time, over all orchestrators. */
const SWEEP_LOCK = 0x7265_6c61_6763n;
const LONGEST_COLLECTION_MS = 3600_000;
const JOBS_AT_ONCE = 100;
const RESULTS_AT_ONCE = 1000;
const DELIVERIES_AT_ONCE = 1000;
const DAY = 24 * 3600;

/** @returns how many went in all */
async function untilNoneIsLeft(atOnce: number, forgetSome: () => Promise<number>): Promise<number> {
  for (let all = 0; ; ) {
    const gone = await forgetSome();
    all += gone;
    if (gone < atOnce) return all;
  }
}

/** How long the rows of some tenants are kept. */
interface Rule {
  /** A condition on `tenant_id`. */
  which: Prisma.Sql;
  days: number;
}

/** Where rows name artifacts: as text in which digests are looked for. */
const NAMING = Prisma.sql`
  SELECT digest AS text FROM dataset WHERE digest IS NOT NULL
  UNION ALL SELECT source::text FROM dataset
  UNION ALL SELECT model FROM prior
  UNION ALL SELECT source::text FROM prior
  UNION ALL SELECT digest FROM model WHERE run_id IS NOT NULL
  UNION ALL SELECT spec::text FROM run
  UNION ALL SELECT result::text FROM run WHERE result IS NOT NULL
  UNION ALL SELECT job::text FROM schedule
  UNION ALL SELECT input::text FROM stage
  UNION ALL SELECT result::text FROM stage WHERE result IS NOT NULL
  UNION ALL SELECT result::text FROM stage_result
  UNION ALL SELECT digest FROM checkpoint`;

/** Not of `clock_timestamp()`, which may be another for every row, so that no index ends where it says. */
const ago = (seconds: number) =>
  Prisma.sql`statement_timestamp() - make_interval(secs => ${seconds}::float8)`;

export function createGarbage({ prisma, transaction }: Connection) {
  /** Those of `digests` that nothing named when the collection was made. @throws CollectionEnded */
  async function unnamed(collection: string, digests: string[]): Promise<string[]> {
    // One statement: what is said of the digests and of the collection is of the same moment.
    const [row] = await prisma.$queryRaw<{ stands: boolean; unnamed: string[] }[]>`
      SELECT EXISTS (SELECT 1 FROM artifact_reference WHERE digest = ${collection}) AS stands,
        ARRAY(SELECT digest FROM unnest(${digests}::text[]) AS digest
          WHERE NOT EXISTS (SELECT 1 FROM artifact_reference AS known WHERE known.digest = digest.digest)) AS unnamed`;
    if (!row?.stands) throw new CollectionEnded();
    return row.unnamed;
  }

  /** That of each tenant which has one of its own, and that of all others. @param days of those; null: kept for ever */
  async function rulesOf(
    limit: 'retainJobsDays' | 'retainResultsDays',
    days: number | null,
  ): Promise<Rule[]> {
    const own = await prisma.$queryRaw<{ id: string; days: number }[]>`
      SELECT id, (limits->>${limit})::float8 AS days FROM tenant WHERE limits->>${limit} IS NOT NULL`;
    const ids = own.map(({ id }) => id);
    return [
      ...own.map((one) => ({ which: Prisma.sql`tenant_id = ${one.id}`, days: one.days })),
      ...(days === null ? [] : [{ which: Prisma.sql`tenant_id <> ALL (${ids})`, days }]),
    ];
  }

  return {
    /**
     * Runs `sweep` unless another process is sweeping. The lock goes with its connection: whoever loses it without knowing finds that its
     * collection has ended.
     * @returns what `sweep` gives; null where another one is at it
     */
    async alone<T>(sweep: () => Promise<T>, { longestSeconds = 24 * 3600 } = {}): Promise<T | null> {
      return prisma.$transaction(
        async (tx) => {
          const [row] = await tx.$queryRaw<{ taken: boolean }[]>`
            SELECT pg_try_advisory_xact_lock(${SWEEP_LOCK}) AS taken`;
          return row?.taken ? await sweep() : null;
        },
        { timeout: 1000 * longestSeconds },
      );
    },

    /** Forgets what is older than it is kept. @returns how many of each */
    async forget({ resultSeconds, jobSeconds, deliverySeconds }: Retention): Promise<Forgotten> {
      let results = 0;
      for (const { which, days } of await rulesOf('retainResultsDays', resultSeconds / DAY))
        results += await untilNoneIsLeft(
          RESULTS_AT_ONCE,
          () => prisma.$executeRaw`
            DELETE FROM stage_result WHERE (tenant_id, result_key) IN (
              SELECT tenant_id, result_key FROM stage_result WHERE used_at < ${ago(DAY * days)} AND ${which}
              ORDER BY used_at LIMIT ${RESULTS_AT_ONCE} FOR UPDATE SKIP LOCKED)`,
        );
      let jobs = 0;
      for (const { which, days } of await rulesOf(
        'retainJobsDays',
        jobSeconds === null ? null : jobSeconds / DAY,
      ))
        jobs += await untilNoneIsLeft(JOBS_AT_ONCE, () =>
          transaction((tx) => forgetJobs(tx, DAY * days, which)),
        );
      const deliveries = await untilNoneIsLeft(
        DELIVERIES_AT_ONCE,
        () => prisma.$executeRaw`
          DELETE FROM webhook_delivery WHERE id IN (
            SELECT id FROM webhook_delivery WHERE ended_at < ${ago(deliverySeconds)}
              OR (status = 'pending' AND available_at < ${ago(deliverySeconds)})
            LIMIT ${DELIVERIES_AT_ONCE} FOR UPDATE SKIP LOCKED)`,
      );
      return { results, jobs, deliveries };
    },

    /** Collects every digest that a row names. @returns the name of this collection, which the next one ends */
    async collect(): Promise<string> {
      const collection = `collection ${randomUUID()}`;
      await prisma.$transaction(
        async (tx) => {
          await tx.$executeRaw`TRUNCATE artifact_reference`;
          await tx.$executeRaw`
            INSERT INTO artifact_reference (digest)
            SELECT DISTINCT found[1] FROM (${NAMING}) AS named,
              regexp_matches(named.text, 'sha256:[0-9a-f]{64}', 'g') AS found
            UNION ALL SELECT ${collection}`;
        },
        { timeout: LONGEST_COLLECTION_MS },
      );
      return collection;
    },

    /** Artifacts that are lists of others: manifests of data sets and of targets. */
    async lists(): Promise<string[]> {
      const rows = await prisma.$queryRaw<{ digest: string }[]>`
        SELECT digest FROM dataset WHERE digest IS NOT NULL
        UNION SELECT result->>'targets' FROM stage WHERE kind = 'reduce' AND result IS NOT NULL
        UNION SELECT result->>'targets' FROM stage_result WHERE kind = 'reduce'`;
      return rows.map(({ digest }) => digest);
    },

    /** Adds what an artifact names. @throws CollectionEnded */
    async addNamed(collection: string, digests: string[]): Promise<void> {
      await prisma.$executeRaw`
        INSERT INTO artifact_reference (digest) SELECT digest FROM unnest(${digests}::text[]) AS digest
        WHERE EXISTS (SELECT 1 FROM artifact_reference WHERE digest = ${collection}) ON CONFLICT DO NOTHING`;
      await unnamed(collection, []);
    },

    unnamed,

    /** Forgets that there was such an artifact, before it is removed. */
    async forgetArtifact(digest: string): Promise<void> {
      await prisma.artifact.deleteMany({ where: { digest } });
      await prisma.model.deleteMany({ where: { digest } });
      await prisma.artifactAccess.deleteMany({ where: { digest } });
    },
  };
}

/** @returns how many */
async function forgetJobs(tx: Transaction, jobSeconds: number, which: Prisma.Sql): Promise<number> {
  const old = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM job WHERE ended_at < ${ago(jobSeconds)} AND ${which} AND NOT EXISTS (
      SELECT 1 FROM job_dependency AS needs JOIN job AS waiting ON waiting.id = needs.job_id
      WHERE needs.needed_job_id = job.id AND needs.met_at IS NULL AND waiting.status IN ('waiting', 'paused'))
    ORDER BY ended_at LIMIT ${JOBS_AT_ONCE} FOR UPDATE OF job SKIP LOCKED`;
  await tx.job.deleteMany({ where: { id: { in: old.map(({ id }) => id) } } });
  return old.length;
}
