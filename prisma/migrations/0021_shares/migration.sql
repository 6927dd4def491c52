-- Who goes next: shares of tenants, priorities of jobs, and what a tenant has used. See packages/database/src/repositories/outbox.ts.

ALTER TABLE "job" ADD COLUMN "priority" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "job" ADD CONSTRAINT "job_priority_check" CHECK ("priority" BETWEEN -100 AND 100);

-- The message of a stage knows whose it is, so that what waits is found by tenant.
ALTER TABLE "outbox" ADD COLUMN "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000';
CREATE INDEX "outbox_unsent_idx" ON "outbox"("kind", "tenant_id", "priority" DESC, "id") WHERE "sent_at" IS NULL;
CREATE INDEX "outbox_sent_idx" ON "outbox"("kind", "tenant_id", "priority") WHERE "sent_at" IS NOT NULL;

-- What the attempt holds that runs.
ALTER TABLE "stage" ADD COLUMN "claimed_at" TIMESTAMPTZ(3);
ALTER TABLE "stage" ADD COLUMN "device" TEXT;
ALTER TABLE "stage" ADD CONSTRAINT "stage_device_check" CHECK ("device" IN ('cpu', 'gpu'));

-- Seconds for which stages held workers, by the day in UTC on which the attempt ended. Several rows a day (slot), so that many
-- transactions at once do not wait for one.
CREATE TABLE "tenant_usage" (
    "tenant_id" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "slot" INTEGER NOT NULL,
    "cpu_seconds" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "gpu_seconds" DOUBLE PRECISION NOT NULL DEFAULT 0,

    CONSTRAINT "tenant_usage_pkey" PRIMARY KEY ("tenant_id", "day", "slot")
);
ALTER TABLE "tenant_usage" ADD CONSTRAINT "tenant_usage_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- However an attempt ends, its seconds are counted: by the statement that ends it, whichever that is.
CREATE FUNCTION "count_usage"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
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
CREATE TRIGGER "stage_usage" AFTER UPDATE ON "stage" REFERENCING OLD TABLE AS "before" NEW TABLE AS "after"
  FOR EACH STATEMENT EXECUTE FUNCTION "count_usage"();
