-- Tenants: what belongs to one is neither seen nor reached by another. What was there before belongs to the tenant "default".

CREATE TABLE "tenant" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "limits" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "tenant_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "tenant_limits_check" CHECK (jsonb_typeof("limits") = 'object')
);
CREATE UNIQUE INDEX "tenant_name_key" ON "tenant"("name");
INSERT INTO "tenant" ("id", "name") VALUES ('tnt_00000000000000000000000000000000', 'default');

-- The secret of a key is kept nowhere, only its sha256.
CREATE TABLE "api_key" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "scope" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "api_key_scope_check" CHECK ("scope" IN ('read', 'submit', 'admin')),
    CONSTRAINT "api_key_digest_check" CHECK ("digest" ~ '^[0-9a-f]{64}$')
);
CREATE UNIQUE INDEX "api_key_digest_key" ON "api_key"("digest");
CREATE INDEX "api_key_tenant_id_id_idx" ON "api_key"("tenant_id", "id");
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

ALTER TABLE "dataset" ADD COLUMN "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000';
ALTER TABLE "prior" ADD COLUMN "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000';
ALTER TABLE "job" ADD COLUMN "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000';
ALTER TABLE "stage_result" ADD COLUMN "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000';
ALTER TABLE "idempotency_key" ADD COLUMN "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000';
ALTER TABLE "dataset" ADD CONSTRAINT "dataset_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE "prior" ADD CONSTRAINT "prior_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE "job" ADD CONSTRAINT "job_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE "stage_result" ADD CONSTRAINT "stage_result_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE RESTRICT;
ALTER TABLE "idempotency_key" ADD CONSTRAINT "idempotency_key_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- Two tenants may use the same key, register the same prior, and compute the same result without learning of each other.
ALTER TABLE "stage_result" DROP CONSTRAINT "stage_result_pkey";
ALTER TABLE "stage_result" ADD CONSTRAINT "stage_result_pkey" PRIMARY KEY ("tenant_id", "result_key");
ALTER TABLE "idempotency_key" DROP CONSTRAINT "idempotency_key_pkey";
ALTER TABLE "idempotency_key" ADD CONSTRAINT "idempotency_key_pkey" PRIMARY KEY ("tenant_id", "key");
DROP INDEX "prior_digest_name_key";
CREATE UNIQUE INDEX "prior_tenant_id_digest_name_key" ON "prior"("tenant_id", "digest", "name");

-- Lists and names are looked up within a tenant.
DROP INDEX "dataset_name_id_idx";
CREATE INDEX "dataset_tenant_id_name_id_idx" ON "dataset"("tenant_id", "name", "id");
CREATE INDEX "dataset_tenant_id_id_idx" ON "dataset"("tenant_id", "id");
DROP INDEX "prior_name_id_idx";
CREATE INDEX "prior_tenant_id_name_id_idx" ON "prior"("tenant_id", "name", "id");
CREATE INDEX "prior_tenant_id_id_idx" ON "prior"("tenant_id", "id");
DROP INDEX "job_status_id_idx";
CREATE INDEX "job_tenant_id_status_id_idx" ON "job"("tenant_id", "status", "id");
CREATE INDEX "job_tenant_id_id_idx" ON "job"("tenant_id", "id");
DROP INDEX "job_name_idx";
CREATE INDEX "job_name_idx" ON "job" ("tenant_id", lower("name") text_pattern_ops, "id" DESC);

CREATE TABLE "artifact_access" (
    "tenant_id" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL DEFAULT 0,
    "is_unread_list" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "artifact_access_pkey" PRIMARY KEY ("tenant_id", "digest")
);
CREATE INDEX "artifact_access_digest_idx" ON "artifact_access"("digest");
ALTER TABLE "artifact_access" ADD CONSTRAINT "artifact_access_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

INSERT INTO "artifact_access" ("tenant_id", "digest", "bytes", "is_unread_list")
  SELECT 'tnt_00000000000000000000000000000000', "digest", max("bytes"), bool_or("list") FROM (
    SELECT "digest", "bytes", false AS "list" FROM "artifact"
    UNION ALL SELECT "digest", "bytes", false FROM "model"
    UNION ALL SELECT "digest", 0, true FROM "dataset" WHERE "digest" IS NOT NULL
    UNION ALL SELECT "result"->>'targets', 0, true FROM "stage" WHERE "kind" = 'reduce' AND "result" IS NOT NULL
  ) AS "known" GROUP BY "digest";
