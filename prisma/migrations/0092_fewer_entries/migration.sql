-- A change of a stage's status writes an entry into every index that has the stage. Most stages, those that embed a shard, are of no run, and
-- only one of a data set is of a data set: they have no entries there any more. The oldest message that was not sent is the first by its id.
DROP INDEX "stage_run_id_idx";
CREATE INDEX "stage_run_idx" ON "stage" ("run_id") WHERE "run_id" IS NOT NULL;
DROP INDEX "stage_dataset_id_idx";
CREATE INDEX "stage_dataset_idx" ON "stage" ("dataset_id") WHERE "dataset_id" IS NOT NULL;
DROP INDEX "outbox_sent_at_id_idx";
-- A stage has a lease while it runs. By its status, what asks for those that run could as well read the index of all that have not ended.
DROP INDEX "stage_lease_idx";
CREATE INDEX "stage_lease_idx" ON "stage" ("lease_until") WHERE "lease_until" IS NOT NULL;
