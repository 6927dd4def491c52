-- Every list reads as many rows as it shows, however many there are: docs/database.md says which index serves which list.

-- The jobs of a label by rising id. A GIN index knows no order, so that of a common label it has to be read whole.
CREATE TABLE "job_label" (
    "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000',
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,

    CONSTRAINT "job_label_pkey" PRIMARY KEY ("tenant_id","key","value","job_id")
);
INSERT INTO "job_label" ("tenant_id", "key", "value", "job_id")
SELECT job.tenant_id, label.key, label.value, job.id FROM "job", jsonb_each_text(job.labels) AS label ORDER BY 1, 2, 3, 4;
CREATE INDEX "job_label_job_id_idx" ON "job_label"("job_id");
ALTER TABLE "job_label" ADD CONSTRAINT "job_label_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- The column is the truth, whoever writes it: also a backup that is put back.
CREATE FUNCTION "keep_job_labels"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    DELETE FROM job_label WHERE job_id = OLD.id;
  END IF;
  INSERT INTO job_label (tenant_id, key, value, job_id)
    SELECT NEW.tenant_id, label.key, label.value, NEW.id FROM jsonb_each_text(NEW.labels) AS label;
  RETURN NULL;
END $$;
CREATE TRIGGER "job_labels" AFTER INSERT OR UPDATE OF "labels" ON "job" FOR EACH ROW EXECUTE FUNCTION "keep_job_labels"();

-- The newest of a name or a digest, and of a name the newest that is ready.
DROP INDEX "dataset_digest_idx";
CREATE INDEX "dataset_tenant_id_digest_id_idx" ON "dataset"("tenant_id", "digest", "id");
CREATE INDEX "dataset_ready_idx" ON "dataset" ("tenant_id", "name", "id") WHERE "status" = 'ready';
CREATE INDEX "prior_tenant_id_digest_id_idx" ON "prior"("tenant_id", "digest", "id");

-- Of the many stages of a job one or two make targets, of its many events few are warnings.
CREATE INDEX "stage_reduce_idx" ON "stage" ("id") WHERE "kind" = 'reduce';
CREATE INDEX "stage_targets_idx" ON "stage" (("result"->>'targets'), "id") WHERE "kind" = 'reduce';
CREATE INDEX "job_event_warning_idx" ON "job_event" ("job_id", "sequence") WHERE "type" = 'warning';

-- Messages that were sent and never claimed, the longest ago first.
CREATE INDEX "outbox_stale_idx" ON "outbox" ((greatest("sent_at", "available_at"))) WHERE "sent_at" IS NOT NULL;

-- With what a search by name looks at, so that it reads the index alone: of a common name that only old jobs have, all are read and sorted.
DROP INDEX "job_name_idx";
CREATE INDEX "job_name_idx" ON "job" ("tenant_id", lower("name") text_pattern_ops, "id" DESC) INCLUDE ("name", "status");
