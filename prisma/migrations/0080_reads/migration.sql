-- What a tenant knows of an artifact is its own: when it came to read it, and as what it uploaded it, not when and as what another did.
ALTER TABLE "artifact_access" ADD COLUMN "media_type" TEXT;
ALTER TABLE "artifact_access" ADD COLUMN "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp();
UPDATE "artifact_access" AS "held" SET "media_type" = "artifact"."media_type", "created_at" = "artifact"."created_at"
  FROM "artifact" WHERE "artifact"."digest" = "held"."digest";

-- Data sets of before count towards the storage of their tenant as those of later do.
UPDATE "artifact_access" AS "held" SET "bytes" = "dataset"."bytes" FROM "dataset"
  WHERE "dataset"."tenant_id" = "held"."tenant_id" AND "dataset"."digest" = "held"."digest" AND "held"."bytes" < "dataset"."bytes";

-- What is asked all the time is found without reading what has ended, or what is of other tenants.
CREATE INDEX "job_waiting_idx" ON "job" ("id") WHERE "status" = 'waiting';
CREATE INDEX "job_schedule_open_idx" ON "job" ("schedule_id", "id") WHERE "ended_at" IS NULL;
CREATE INDEX "job_tenant_ended_idx" ON "job" ("tenant_id", "ended_at") WHERE "ended_at" IS NOT NULL;
CREATE INDEX "stage_result_tenant_id_used_at_idx" ON "stage_result" ("tenant_id", "used_at");
