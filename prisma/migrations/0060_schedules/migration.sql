-- Jobs that are made again at the times of a cron expression: see packages/database/src/repositories/schedules.ts.

-- next_due_at is the first time that has not been seen to: what was missed is counted from it, and never from the queue. Null while paused.
-- revision grows with every change. A scheduler of the queue is named by it, and a firing that was planned by an older one makes nothing.
CREATE TABLE "schedule" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL DEFAULT 'tnt_00000000000000000000000000000000',
    "name" TEXT NOT NULL,
    "cron" TEXT NOT NULL,
    "time_zone" TEXT NOT NULL,
    "job" JSONB NOT NULL,
    "paused" BOOLEAN NOT NULL,
    "concurrency" TEXT NOT NULL,
    "missed" TEXT NOT NULL,
    "missed_within_seconds" INTEGER NOT NULL,
    "most_missed" INTEGER NOT NULL,
    "labels" JSONB NOT NULL DEFAULT '{}',
    "revision" INTEGER NOT NULL DEFAULT 1,
    "next_due_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "schedule_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "schedule_concurrency_check" CHECK ("concurrency" IN ('allow', 'forbid', 'replace')),
    CONSTRAINT "schedule_missed_check" CHECK ("missed" IN ('skip', 'once', 'all')),
    CONSTRAINT "schedule_labels_check" CHECK (jsonb_typeof("labels") = 'object'),
    CONSTRAINT "schedule_paused_check" CHECK (NOT ("paused" AND "next_due_at" IS NOT NULL))
);

CREATE UNIQUE INDEX "schedule_tenant_id_name_key" ON "schedule"("tenant_id", "name");
CREATE INDEX "schedule_next_due_at_idx" ON "schedule"("next_due_at");

-- What became of each time. The unique key is what makes one job of it, however often the queue says that it is due.
CREATE TABLE "firing" (
    "id" TEXT NOT NULL,
    "schedule_id" TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "outcome" TEXT NOT NULL,
    "job_id" TEXT,
    "missed" INTEGER NOT NULL DEFAULT 0,
    "problem" JSONB,

    CONSTRAINT "firing_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "firing_trigger_check" CHECK ("trigger" IN ('cron', 'manual')),
    CONSTRAINT "firing_outcome_check" CHECK ("outcome" IN ('job', 'skipped', 'missed', 'failed'))
);

CREATE UNIQUE INDEX "firing_schedule_id_trigger_due_at_key" ON "firing"("schedule_id", "trigger", "due_at");
CREATE INDEX "firing_schedule_id_id_idx" ON "firing"("schedule_id", "id");
CREATE INDEX "firing_job_id_idx" ON "firing"("job_id");

ALTER TABLE "firing" ADD CONSTRAINT "firing_schedule_id_fkey" FOREIGN KEY ("schedule_id") REFERENCES "schedule"("id") ON DELETE CASCADE ON UPDATE RESTRICT;
ALTER TABLE "firing" ADD CONSTRAINT "firing_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE SET NULL ON UPDATE RESTRICT;

-- The schedule that made the job, and the time for which it did. No foreign key: a job names its schedule also when that is gone.
ALTER TABLE "job" ADD COLUMN "schedule_id" TEXT;
ALTER TABLE "job" ADD COLUMN "due_at" TIMESTAMPTZ(3);
CREATE INDEX "job_schedule_id_id_idx" ON "job"("schedule_id", "id");
