-- Whose a stage is, of the job or the data set that it belongs to: lists of stages are those of a tenant, however many the others have.
ALTER TABLE "stage" ADD COLUMN "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000';
ALTER TABLE "stage" ALTER COLUMN "tenant_id" DROP DEFAULT;
UPDATE "stage" SET "tenant_id" = "job"."tenant_id" FROM "job"
  WHERE "job"."id" = "stage"."job_id" AND "job"."tenant_id" <> "stage"."tenant_id";
UPDATE "stage" SET "tenant_id" = "dataset"."tenant_id" FROM "dataset"
  WHERE "dataset"."id" = "stage"."dataset_id" AND "dataset"."tenant_id" <> "stage"."tenant_id";

DROP INDEX "stage_reduce_idx";
CREATE INDEX "stage_reduce_idx" ON "stage" ("tenant_id", "id") WHERE "kind" = 'reduce';
DROP INDEX "stage_targets_idx";
CREATE INDEX "stage_targets_idx" ON "stage" ("tenant_id", ("result"->>'targets'), "id") WHERE "kind" = 'reduce';
DROP INDEX "stage_dead_idx";
CREATE INDEX "stage_dead_idx" ON "stage" ("tenant_id", "id") WHERE "dead_at" IS NOT NULL;

-- Most changes of stages end no attempt.
CREATE OR REPLACE FUNCTION "count_usage"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM "after" WHERE "status" <> 'running' AND "claimed_at" IS NOT NULL) THEN
    RETURN NULL;
  END IF;
  INSERT INTO "tenant_usage" AS "used" ("tenant_id", "day", "slot", "cpu_seconds", "gpu_seconds")
  SELECT "held"."tenant_id", (clock_timestamp() AT TIME ZONE 'UTC')::date, pg_backend_pid() % 16,
    coalesce(sum("held"."seconds") FILTER (WHERE "held"."device" IS DISTINCT FROM 'gpu'), 0),
    coalesce(sum("held"."seconds") FILTER (WHERE "held"."device" = 'gpu'), 0)
  FROM (
    SELECT "before"."tenant_id", "before"."device",
      greatest(0, extract(epoch FROM clock_timestamp() - "before"."claimed_at"))::float8 AS "seconds"
    FROM "before" JOIN "after" ON "after"."id" = "before"."id"
    WHERE "before"."status" = 'running' AND "after"."status" <> 'running' AND "before"."claimed_at" IS NOT NULL
  ) AS "held"
  GROUP BY "held"."tenant_id" ORDER BY "held"."tenant_id"
  ON CONFLICT ("tenant_id", "day", "slot") DO UPDATE SET "cpu_seconds" = "used"."cpu_seconds" + excluded."cpu_seconds",
    "gpu_seconds" = "used"."gpu_seconds" + excluded."gpu_seconds";
  RETURN NULL;
END $$;

-- Bytes that a tenant has, summed up as they come and go. Several rows (slot), so that many transactions at once do not wait for one.
CREATE TABLE "tenant_storage" (
    "tenant_id" TEXT NOT NULL,
    "slot" INTEGER NOT NULL,
    "bytes" BIGINT NOT NULL,

    CONSTRAINT "tenant_storage_pkey" PRIMARY KEY ("tenant_id", "slot")
);
ALTER TABLE "tenant_storage" ADD CONSTRAINT "tenant_storage_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE RESTRICT;
INSERT INTO "tenant_storage" ("tenant_id", "slot", "bytes")
SELECT "tenant_id", 0, sum("bytes") FROM "artifact_access" WHERE "bytes" > 0 GROUP BY "tenant_id";

CREATE FUNCTION "add_storage"("tenants" TEXT[], "changes" BIGINT[]) RETURNS void LANGUAGE sql AS $$
  INSERT INTO "tenant_storage" AS "held" ("tenant_id", "slot", "bytes")
  SELECT "change"."tenant_id", pg_backend_pid() % 16, sum("change"."bytes") FROM unnest("tenants", "changes") AS "change" ("tenant_id", "bytes")
  -- With a tenant goes all that it had.
  WHERE EXISTS (SELECT 1 FROM "tenant" WHERE "tenant"."id" = "change"."tenant_id")
  GROUP BY 1 HAVING sum("change"."bytes") <> 0 ORDER BY 1
  ON CONFLICT ("tenant_id", "slot") DO UPDATE SET "bytes" = "held"."bytes" + excluded."bytes";
$$;
CREATE FUNCTION "count_storage"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Each in a block of its own: a statement is read as a whole, and of an insertion there is no table of what was before.
  IF TG_OP <> 'INSERT' THEN
    IF EXISTS (SELECT 1 FROM "before" WHERE "bytes" > 0) THEN
      PERFORM "add_storage"(array_agg("tenant_id"), array_agg(-"bytes")) FROM "before" WHERE "bytes" > 0;
    END IF;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    IF EXISTS (SELECT 1 FROM "after" WHERE "bytes" > 0) THEN
      PERFORM "add_storage"(array_agg("tenant_id"), array_agg("bytes")) FROM "after" WHERE "bytes" > 0;
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "artifact_access_added" AFTER INSERT ON "artifact_access" REFERENCING NEW TABLE AS "after"
  FOR EACH STATEMENT EXECUTE FUNCTION "count_storage"();
CREATE TRIGGER "artifact_access_changed" AFTER UPDATE ON "artifact_access" REFERENCING OLD TABLE AS "before" NEW TABLE AS "after"
  FOR EACH STATEMENT EXECUTE FUNCTION "count_storage"();
CREATE TRIGGER "artifact_access_removed" AFTER DELETE ON "artifact_access" REFERENCING OLD TABLE AS "before"
  FOR EACH STATEMENT EXECUTE FUNCTION "count_storage"();
