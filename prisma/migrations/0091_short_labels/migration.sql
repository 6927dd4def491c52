-- The labels of a job in every index that has jobs by a label or by a status, so that a search for several conditions reads one of them
-- alone. Long labels would not fit: of those the job itself is asked. Set by a trigger, whoever writes the job: also a backup that is put back.
ALTER TABLE "job" ADD COLUMN "short_labels" JSONB;
CREATE FUNCTION "shorten_job_labels"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.short_labels := CASE WHEN octet_length(NEW.labels::text) <= 1000 THEN NEW.labels END;
  RETURN NEW;
END $$;
CREATE TRIGGER "job_short_labels" BEFORE INSERT OR UPDATE OF "labels" ON "job" FOR EACH ROW EXECUTE FUNCTION "shorten_job_labels"();
UPDATE "job" SET "short_labels" = "labels" WHERE octet_length("labels"::text) <= 1000;
DROP INDEX "job_tenant_id_status_id_idx";
CREATE INDEX "job_tenant_id_status_id_short_labels_idx" ON "job" ("tenant_id", "status", "id", "short_labels");

ALTER TABLE "job_label" ADD COLUMN "labels" JSONB;
UPDATE "job_label" SET "labels" = "job"."short_labels" FROM "job" WHERE "job"."id" = "job_label"."job_id";
ALTER TABLE "job_label" DROP CONSTRAINT "job_label_pkey";
DROP INDEX "job_label_job_id_idx";
ALTER TABLE "job_label" ADD CONSTRAINT "job_label_pkey" PRIMARY KEY ("job_id","key");
CREATE INDEX "job_label_search_idx" ON "job_label" ("tenant_id", "key", "value", "job_id", "labels");
CREATE OR REPLACE FUNCTION "keep_job_labels"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    DELETE FROM job_label WHERE job_id = OLD.id;
  END IF;
  INSERT INTO job_label (tenant_id, key, value, job_id, labels)
    SELECT NEW.tenant_id, label.key, label.value, NEW.id, NEW.short_labels FROM jsonb_each_text(NEW.labels) AS label;
  RETURN NULL;
END $$;
