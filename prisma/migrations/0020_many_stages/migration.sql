-- Jobs of a hundred thousand stages: what is asked at every end of a stage costs as much for them as for small ones.

-- One of the stages that keep a waiting one, null where that is not known. While it has not ended, the others need no look.
ALTER TABLE "stage" ADD COLUMN "blocked_by" TEXT;
CREATE INDEX "stage_dependency_stage_id_position_idx" ON "stage_dependency"("stage_id", "position");

-- Whether anything of a job is still to come, and whose lease has run out: both by those few rows alone.
CREATE INDEX "stage_live_idx" ON "stage" ("job_id") WHERE "status" IN ('waiting', 'queued', 'running', 'paused');
CREATE INDEX "stage_lease_idx" ON "stage" ("lease_until") WHERE "status" = 'running';
DROP INDEX "stage_status_lease_until_idx";
