-- Jobs can be paused, and sent again after they failed; the state machines hold for every writer.

ALTER TABLE "job" DROP CONSTRAINT "job_status_check";
ALTER TABLE "job" ADD CONSTRAINT "job_status_check" CHECK ("status" IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "stage" DROP CONSTRAINT "stage_status_check";
ALTER TABLE "stage" ADD CONSTRAINT "stage_status_check" CHECK ("status" IN ('waiting', 'queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'));

-- Made anew although a result of equal key exists: somebody asked for it.
ALTER TABLE "stage" ADD COLUMN "fresh" BOOLEAN NOT NULL DEFAULT false;
-- Given up after as many tries as it may have; null of a stage that failed by what it was given, or did not fail.
ALTER TABLE "stage" ADD COLUMN "dead_at" TIMESTAMPTZ(3);
ALTER TABLE "stage" ADD CONSTRAINT "stage_dead_check" CHECK ("dead_at" IS NULL OR "status" = 'failed');
CREATE INDEX "stage_dead_idx" ON "stage" ("id") WHERE "dead_at" IS NOT NULL;

-- The same tables as in packages/database/src/state/transitions.ts, which a test compares. The arguments: the state of a new row, then
-- every change that is allowed.
CREATE FUNCTION "refuse_transition"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> TG_ARGV[0] THEN
      RAISE EXCEPTION 'a new % is %, not %', TG_TABLE_NAME, TG_ARGV[0], NEW.status USING ERRCODE = 'check_violation';
    END IF;
  ELSIF OLD.status <> NEW.status AND NOT (OLD.status || '>' || NEW.status) = ANY (TG_ARGV[1:]) THEN
    RAISE EXCEPTION 'a % that is % does not become %', TG_TABLE_NAME, OLD.status, NEW.status USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER "dataset_transition" BEFORE INSERT OR UPDATE OF "status" ON "dataset" FOR EACH ROW EXECUTE FUNCTION "refuse_transition"(
  'queued', 'queued>running', 'queued>ready', 'queued>failed', 'running>queued', 'running>ready', 'running>failed', 'failed>queued');
CREATE TRIGGER "job_transition" BEFORE INSERT OR UPDATE OF "status" ON "job" FOR EACH ROW EXECUTE FUNCTION "refuse_transition"(
  'queued', 'queued>running', 'queued>paused', 'queued>cancelled', 'running>paused', 'running>succeeded', 'running>failed', 'running>cancelled', 'paused>queued', 'paused>running', 'paused>succeeded', 'paused>failed', 'paused>cancelled', 'succeeded>queued', 'failed>queued', 'cancelled>queued');
CREATE TRIGGER "run_transition" BEFORE INSERT OR UPDATE OF "status" ON "run" FOR EACH ROW EXECUTE FUNCTION "refuse_transition"(
  'queued', 'queued>running', 'queued>failed', 'queued>cancelled', 'running>succeeded', 'running>failed', 'running>cancelled', 'succeeded>queued', 'failed>queued', 'cancelled>queued');
CREATE TRIGGER "stage_transition" BEFORE INSERT OR UPDATE OF "status" ON "stage" FOR EACH ROW EXECUTE FUNCTION "refuse_transition"(
  'waiting', 'waiting>queued', 'waiting>cancelled', 'queued>running', 'queued>paused', 'queued>cancelled', 'running>succeeded', 'running>failed', 'running>cancelled', 'running>queued', 'running>paused', 'paused>queued', 'paused>cancelled', 'succeeded>waiting', 'failed>waiting', 'cancelled>waiting');
