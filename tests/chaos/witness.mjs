// Looks over the shoulder of every process, from inside Postgres: triggers note who wrote what to a stage, its checkpoints and its metrics,
// and who held the stage then. So it is seen, not concluded, that an attempt which lost its stage changed nothing.
import pg from 'pg';

const SCHEMA = `
CREATE SCHEMA chaos;
CREATE TABLE chaos.note (
  id bigserial PRIMARY KEY, what text NOT NULL, stage_id text, writer text NOT NULL,
  holder text, status text, became text, is_claim boolean NOT NULL DEFAULT false);

CREATE FUNCTION chaos.writer() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('application_name') $$;

CREATE FUNCTION chaos.note_metrics() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos.note (what, stage_id, writer, holder, status)
  SELECT 'metrics', stage.id, chaos.writer(), stage.worker, stage.status
  FROM (SELECT DISTINCT run_id FROM changed) AS runs JOIN stage ON stage.run_id = runs.run_id AND stage.kind = 'train';
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT ON run_metric REFERENCING NEW TABLE AS changed EXECUTE FUNCTION chaos.note_metrics();
CREATE TRIGGER note_update AFTER UPDATE ON run_metric REFERENCING NEW TABLE AS changed EXECUTE FUNCTION chaos.note_metrics();

CREATE FUNCTION chaos.note_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos.note (what, stage_id, writer, holder, status)
  SELECT 'checkpoint', id, chaos.writer(), worker, status FROM stage WHERE id = NEW.stage_id;
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON checkpoint FOR EACH ROW EXECUTE FUNCTION chaos.note_checkpoint();

CREATE FUNCTION chaos.note_stage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos.note (what, stage_id, writer, holder, status, became, is_claim)
  VALUES ('stage', OLD.id, chaos.writer(), OLD.worker, OLD.status,
    CASE WHEN NEW.status <> OLD.status THEN NEW.status END, NEW.fence > OLD.fence);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER UPDATE ON stage FOR EACH ROW
WHEN ((OLD.status, OLD.fence, OLD.lease_until, OLD.result, OLD.progress, OLD.error, OLD.worker)
  IS DISTINCT FROM (NEW.status, NEW.fence, NEW.lease_until, NEW.result, NEW.progress, NEW.error, NEW.worker))
EXECUTE FUNCTION chaos.note_stage();`;

/** Every digest that stands in any row of any table, and in which; those of priors are names. */
const NAMED = (tables) => `
SELECT DISTINCT digest[1] AS digest, place FROM (
  ${tables.map((name) => `SELECT '${name}' AS place, to_jsonb(row)::text AS text FROM "${name}" AS row`).join('\n  UNION ALL ')}
) AS rows, regexp_matches(text, 'sha256:[0-9a-f]{64}', 'g') AS digest
WHERE digest[1] NOT IN (SELECT digest FROM prior)`;
const PATIENCE = {
  ...{ application_name: 'witness', connectionTimeoutMillis: 10_000, query_timeout: 300_000 },
};
/** What a sweep collects for itself, and answers that were given once. */
const NO_ROWS_OF_ARTIFACTS = ['artifact_reference', 'idempotency_key'];

/** @param url of Postgres itself @returns what the triggers saw, as questions about it */
export async function openWitness(url) {
  const ask = async (text) => {
    const client = new pg.Client({ connectionString: url, ...PATIENCE });
    // Postgres is among what is killed: a broken connection is told by the question, and is no error of its own.
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      client.end().catch(() => undefined);
    }
  };
  await ask(SCHEMA);
  return {
    /** @returns { digest, place }[] */
    async named() {
      const tables = await ask(
        `SELECT table_name AS name FROM information_schema.tables
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE '%bull%'`,
      );
      const names = tables.map(({ name }) => name).filter((name) => !NO_ROWS_OF_ARTIFACTS.includes(name));
      return ask(NAMED(names));
    },

    /**
     * @param programOf the program whose process a stage's worker was, such as `train-worker-2`
     * @param workers names of the programs that hold stages; others may take a stage from them
     * @returns { watched, faults }: writes of workers to stages that were under way, and those by others than who held them
     */
    async strangers(programOf, workers) {
      const notes = await ask(
        `SELECT what, stage_id, writer, holder, status, is_claim FROM chaos.note WHERE status = 'running' OR what <> 'stage'`,
      );
      const byWorkers = notes.filter(({ writer, is_claim }) => workers.has(writer) && !is_claim);
      const strange = byWorkers.filter(
        ({ writer, holder, status }) => status !== 'running' || programOf(holder) !== writer,
      );
      return {
        watched: byWorkers.length,
        faults: strange.map(
          ({ what, stage_id, writer, holder, status }) =>
            `${writer} wrote the ${what} of ${stage_id}, which is ${status} and held by ${programOf(holder) ?? holder}`,
        ),
      };
    },

    /** Stages that succeeded more than once. */
    async twoWinners() {
      const rows = await ask(
        `SELECT stage_id, count(*) AS times FROM chaos.note WHERE became = 'succeeded' GROUP BY stage_id HAVING count(*) > 1`,
      );
      return rows.map(({ stage_id, times }) => `stage ${stage_id} succeeded ${times} times`);
    },

    /** Workers that hold a stage now. */
    async holders() {
      const rows = await ask(`SELECT DISTINCT worker FROM stage WHERE status = 'running'`);
      return rows.map(({ worker }) => worker);
    },

    /** How often a stage was taken from a worker that had it: no small number, or its fencing was not tried. */
    async taken() {
      const [{ count }] = await ask(
        `SELECT count(*)::int AS count FROM chaos.note WHERE what = 'stage' AND status = 'running' AND became = 'queued' AND writer LIKE 'orchestrator%'`,
      );
      return count;
    },
  };
}
