-- With all labels of the job beside each, a search for several reads the index of one of them alone. Long ones would not fit into the index:
-- of those the job itself is asked.
ALTER TABLE "job_label" ADD COLUMN "labels" JSONB;
UPDATE "job_label" SET "labels" = "job"."labels" FROM "job"
  WHERE "job"."id" = "job_label"."job_id" AND octet_length("job"."labels"::text) <= 1000;
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
    SELECT NEW.tenant_id, label.key, label.value, NEW.id, CASE WHEN octet_length(NEW.labels::text) <= 1000 THEN NEW.labels END
    FROM jsonb_each_text(NEW.labels) AS label;
  RETURN NULL;
END $$;
