-- Addresses of users that are told of what happens to their jobs, what they are told, and what became of each telling.

CREATE TABLE "webhook" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000',
    "url" TEXT NOT NULL,
    "events" JSONB NOT NULL,
    "labels" JSONB NOT NULL DEFAULT '{}',
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "disabled_reason" TEXT,
    "description" TEXT NOT NULL DEFAULT '',
    "secret" TEXT NOT NULL,
    "previous_secret" TEXT,
    "previous_until" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "webhook_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "webhook_delivery" (
    "id" TEXT NOT NULL,
    "webhook_id" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "job_id" TEXT,
    "body" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "available_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "lease_until" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_delivery_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "webhook_attempt" (
    "delivery_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "status" INTEGER,
    "error" TEXT,
    "milliseconds" INTEGER,
    "answer" TEXT,

    CONSTRAINT "webhook_attempt_pkey" PRIMARY KEY ("delivery_id","number")
);

CREATE INDEX "webhook_tenant_id_id_idx" ON "webhook"("tenant_id", "id");
CREATE INDEX "webhook_delivery_webhook_id_id_idx" ON "webhook_delivery"("webhook_id", "id");
CREATE INDEX "webhook_delivery_ended_at_idx" ON "webhook_delivery"("ended_at");
-- Looked at once a second, for each webhook that is on.
CREATE INDEX "webhook_delivery_pending_idx" ON "webhook_delivery"("webhook_id", "available_at") WHERE "status" = 'pending';
CREATE INDEX "webhook_delivery_leased_idx" ON "webhook_delivery"("webhook_id") WHERE "lease_until" IS NOT NULL;

ALTER TABLE "webhook_delivery" ADD CONSTRAINT "webhook_delivery_webhook_id_fkey" FOREIGN KEY ("webhook_id") REFERENCES "webhook"("id") ON DELETE CASCADE ON UPDATE RESTRICT;
ALTER TABLE "webhook_attempt" ADD CONSTRAINT "webhook_attempt_delivery_id_fkey" FOREIGN KEY ("delivery_id") REFERENCES "webhook_delivery"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

ALTER TABLE "webhook" ADD CONSTRAINT "webhook_events_check" CHECK (jsonb_typeof("events") = 'array');
ALTER TABLE "webhook" ADD CONSTRAINT "webhook_labels_check" CHECK (jsonb_typeof("labels") = 'object');
ALTER TABLE "webhook_delivery" ADD CONSTRAINT "webhook_delivery_status_check" CHECK ("status" IN ('pending', 'delivered', 'failed'));
ALTER TABLE "webhook_delivery" ADD CONSTRAINT "webhook_delivery_ended_check" CHECK (("status" = 'pending') = ("ended_at" IS NULL));
ALTER TABLE "webhook_delivery" ADD CONSTRAINT "webhook_delivery_lease_check" CHECK ("lease_until" IS NULL OR "status" = 'pending');

CREATE TRIGGER "webhook_delivery_transition" BEFORE INSERT OR UPDATE OF "status" ON "webhook_delivery" FOR EACH ROW EXECUTE FUNCTION "refuse_transition"(
  'pending', 'pending>delivered', 'pending>failed', 'delivered>pending', 'failed>pending');
