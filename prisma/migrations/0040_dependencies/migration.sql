-- Jobs that wait for others: for a run whose model is to be their prior, or for all of a job. What is waited for is no foreign key,
-- since a job that ended long ago may be forgotten.
CREATE TABLE "job_dependency" (
    "job_id" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "needed_job_id" TEXT NOT NULL,
    "needed_run_id" TEXT,
    "met_at" TIMESTAMPTZ(3),

    CONSTRAINT "job_dependency_pkey" PRIMARY KEY ("job_id","position")
);
CREATE INDEX "job_dependency_needed_job_id_idx" ON "job_dependency"("needed_job_id");
ALTER TABLE "job_dependency" ADD CONSTRAINT "job_dependency_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

ALTER TABLE "job" DROP CONSTRAINT "job_status_check";
ALTER TABLE "job" ADD CONSTRAINT "job_status_check" CHECK ("status" IN ('queued', 'waiting', 'running', 'paused', 'succeeded', 'failed', 'cancelled'));
DROP TRIGGER "job_transition" ON "job";
CREATE TRIGGER "job_transition" BEFORE INSERT OR UPDATE OF "status" ON "job" FOR EACH ROW EXECUTE FUNCTION "refuse_transition"(
  'queued', 'queued>waiting', 'queued>running', 'queued>paused', 'queued>cancelled', 'waiting>queued', 'waiting>paused', 'waiting>failed', 'waiting>cancelled', 'running>paused', 'running>succeeded', 'running>failed', 'running>cancelled', 'paused>queued', 'paused>waiting', 'paused>running', 'paused>succeeded', 'paused>failed', 'paused>cancelled', 'succeeded>queued', 'failed>queued', 'cancelled>queued');

-- The model of a run becomes a prior, and the plan of the job that waited for it goes on.
ALTER TABLE "stage" DROP CONSTRAINT "stage_kind_check";
ALTER TABLE "stage" ADD CONSTRAINT "stage_kind_check" CHECK ("kind" IN ('ingest', 'adopt', 'appraise', 'choose', 'embed', 'join', 'reduce', 'train', 'evaluate'));
ALTER TABLE "stage_result" DROP CONSTRAINT "stage_result_kind_check";
ALTER TABLE "stage_result" ADD CONSTRAINT "stage_result_kind_check" CHECK ("kind" IN ('ingest', 'adopt', 'appraise', 'choose', 'embed', 'join', 'reduce', 'train', 'evaluate'));
