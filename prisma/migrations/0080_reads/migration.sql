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
CREATE INDEX "artifact_access_bytes_idx" ON "artifact_access" ("tenant_id") INCLUDE ("bytes") WHERE "bytes" > 0;

-- Most changes of stages end no attempt.
CREATE OR REPLACE FUNCTION "count_usage"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM "after" WHERE "status" <> 'running' AND "claimed_at" IS NOT NULL) THEN
    RETURN NULL;
  END IF;
  INSERT INTO "tenant_usage" AS "used" ("tenant_id", "day", "slot", "cpu_seconds", "gpu_seconds")
  SELECT coalesce("job"."tenant_id", "dataset"."tenant_id") AS "owner", (clock_timestamp() AT TIME ZONE 'UTC')::date,
    pg_backend_pid() % 16,
    coalesce(sum("held"."seconds") FILTER (WHERE "held"."device" IS DISTINCT FROM 'gpu'), 0),
    coalesce(sum("held"."seconds") FILTER (WHERE "held"."device" = 'gpu'), 0)
  FROM (
    SELECT "before"."job_id", "before"."dataset_id", "before"."device",
      greatest(0, extract(epoch FROM clock_timestamp() - "before"."claimed_at"))::float8 AS "seconds"
    FROM "before" JOIN "after" ON "after"."id" = "before"."id"
    WHERE "before"."status" = 'running' AND "after"."status" <> 'running' AND "before"."claimed_at" IS NOT NULL
  ) AS "held"
  LEFT JOIN "job" ON "job"."id" = "held"."job_id" LEFT JOIN "dataset" ON "dataset"."id" = "held"."dataset_id"
  GROUP BY "owner" ORDER BY "owner"
  ON CONFLICT ("tenant_id", "day", "slot") DO UPDATE SET "cpu_seconds" = "used"."cpu_seconds" + excluded."cpu_seconds",
    "gpu_seconds" = "used"."gpu_seconds" + excluded."gpu_seconds";
  RETURN NULL;
END $$;
