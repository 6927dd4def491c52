-- What people find their jobs by.
ALTER TABLE "job" ADD COLUMN "labels" JSONB NOT NULL DEFAULT '{}';
ALTER TABLE "job" ADD CONSTRAINT "job_labels_check" CHECK (jsonb_typeof("labels") = 'object');
CREATE INDEX "job_labels_idx" ON "job" USING GIN ("labels" jsonb_path_ops);
CREATE INDEX "job_name_idx" ON "job" (lower("name") text_pattern_ops, "id" DESC);
