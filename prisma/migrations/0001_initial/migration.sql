-- The first tables. Written by the diff of Prisma's schema engine, but for the CHECK constraints at the end, which
-- Prisma cannot express. A migration is never edited once it was applied anywhere: its checksum is kept. Comments
-- hold no semicolon, since the engine's WebAssembly build splits the file there.

-- CreateTable
CREATE TABLE "dataset" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "source" JSONB NOT NULL,
    "digest" TEXT,
    "train" INTEGER,
    "test" INTEGER,
    "classes" JSONB,
    "channels" INTEGER,
    "image_height" INTEGER,
    "image_width" INTEGER,
    "bytes" BIGINT,
    "undecodable_count" INTEGER NOT NULL DEFAULT 0,
    "undecodable_examples" JSONB NOT NULL DEFAULT '[]',
    "error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "dataset_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "prior" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "source" JSONB NOT NULL,
    "input" TEXT NOT NULL,
    "output" TEXT NOT NULL,
    "pool" BOOLEAN NOT NULL,
    "batch" INTEGER,
    "width" INTEGER NOT NULL,
    "preprocessing" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "prior_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "artifact" (
    "digest" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "media_type" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "artifact_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "model" (
    "digest" TEXT NOT NULL,
    "run_id" TEXT,
    "bytes" BIGINT NOT NULL,
    "width" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "model_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "job" (
    "id" TEXT NOT NULL,
    "name" TEXT,
    "status" TEXT NOT NULL,
    "dataset_id" TEXT NOT NULL,
    "prior_id" TEXT,
    "reuse" BOOLEAN NOT NULL,
    "cancel_requested" BOOLEAN NOT NULL DEFAULT false,
    "event_sequence" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "job_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "run" (
    "id" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "spec" JSONB NOT NULL,
    "result" JSONB,
    "reused" BOOLEAN NOT NULL DEFAULT false,
    "error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "run_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "stage" (
    "id" TEXT NOT NULL,
    "job_id" TEXT,
    "run_id" TEXT,
    "dataset_id" TEXT,
    "position" INTEGER NOT NULL,
    "kind" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "result_key" TEXT NOT NULL,
    "input" JSONB NOT NULL,
    "result" JSONB,
    "reused" BOOLEAN NOT NULL DEFAULT false,
    "dispatch" INTEGER NOT NULL DEFAULT 0,
    "fence" INTEGER NOT NULL DEFAULT 0,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "worker" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "cancel_requested" BOOLEAN NOT NULL DEFAULT false,
    "progress" JSONB,
    "error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "stage_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "stage_dependency" (
    "stage_id" TEXT NOT NULL,
    "dependency_id" TEXT NOT NULL,
    "position" INTEGER NOT NULL,

    CONSTRAINT "stage_dependency_pkey" PRIMARY KEY ("stage_id","dependency_id")
);

-- CreateTable
CREATE TABLE "stage_result" (
    "result_key" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "result" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "stage_result_pkey" PRIMARY KEY ("result_key")
);

-- CreateTable
CREATE TABLE "checkpoint" (
    "stage_id" TEXT NOT NULL,
    "step" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "checkpoint_pkey" PRIMARY KEY ("stage_id","step")
);

-- CreateTable
CREATE TABLE "run_metric" (
    "run_id" TEXT NOT NULL,
    "step" INTEGER NOT NULL,
    "epoch" INTEGER NOT NULL,
    "phase" TEXT NOT NULL,
    "loss" DOUBLE PRECISION NOT NULL,
    "rho" DOUBLE PRECISION,
    "classifier_accuracy" DOUBLE PRECISION,
    "seconds" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "run_metric_pkey" PRIMARY KEY ("run_id","step")
);

-- CreateTable
CREATE TABLE "job_event" (
    "job_id" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "job_event_pkey" PRIMARY KEY ("job_id","sequence")
);

-- CreateTable
CREATE TABLE "outbox" (
    "id" BIGSERIAL NOT NULL,
    "stage_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "dispatch" INTEGER NOT NULL,
    "priority" INTEGER NOT NULL DEFAULT 0,
    "available_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "sent_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "idempotency_key" (
    "key" TEXT NOT NULL,
    "route" TEXT NOT NULL,
    "request_digest" TEXT NOT NULL,
    "status" INTEGER,
    "headers" JSONB,
    "body" JSONB,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT "idempotency_key_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE INDEX "dataset_name_id_idx" ON "dataset"("name", "id");

-- CreateIndex
CREATE INDEX "dataset_digest_idx" ON "dataset"("digest");

-- CreateIndex
CREATE INDEX "prior_name_id_idx" ON "prior"("name", "id");

-- CreateIndex
CREATE UNIQUE INDEX "prior_digest_name_key" ON "prior"("digest", "name");

-- CreateIndex
CREATE INDEX "model_run_id_idx" ON "model"("run_id");

-- CreateIndex
CREATE INDEX "job_status_id_idx" ON "job"("status", "id");

-- CreateIndex
CREATE INDEX "job_dataset_id_idx" ON "job"("dataset_id");

-- CreateIndex
CREATE INDEX "job_prior_id_idx" ON "job"("prior_id");

-- CreateIndex
CREATE UNIQUE INDEX "run_job_id_position_key" ON "run"("job_id", "position");

-- CreateIndex
CREATE INDEX "stage_job_id_position_idx" ON "stage"("job_id", "position");

-- CreateIndex
CREATE INDEX "stage_run_id_idx" ON "stage"("run_id");

-- CreateIndex
CREATE INDEX "stage_dataset_id_idx" ON "stage"("dataset_id");

-- CreateIndex
CREATE INDEX "stage_status_lease_until_idx" ON "stage"("status", "lease_until");

-- CreateIndex
CREATE INDEX "stage_dependency_dependency_id_idx" ON "stage_dependency"("dependency_id");

-- CreateIndex
CREATE INDEX "outbox_sent_at_id_idx" ON "outbox"("sent_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "outbox_stage_id_dispatch_key" ON "outbox"("stage_id", "dispatch");

-- CreateIndex
CREATE INDEX "idempotency_key_created_at_idx" ON "idempotency_key"("created_at");

-- AddForeignKey
ALTER TABLE "model" ADD CONSTRAINT "model_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "run"("id") ON DELETE SET NULL ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "job" ADD CONSTRAINT "job_dataset_id_fkey" FOREIGN KEY ("dataset_id") REFERENCES "dataset"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "job" ADD CONSTRAINT "job_prior_id_fkey" FOREIGN KEY ("prior_id") REFERENCES "prior"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "run" ADD CONSTRAINT "run_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "stage" ADD CONSTRAINT "stage_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "stage" ADD CONSTRAINT "stage_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "run"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "stage" ADD CONSTRAINT "stage_dataset_id_fkey" FOREIGN KEY ("dataset_id") REFERENCES "dataset"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "stage_dependency" ADD CONSTRAINT "stage_dependency_stage_id_fkey" FOREIGN KEY ("stage_id") REFERENCES "stage"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "stage_dependency" ADD CONSTRAINT "stage_dependency_dependency_id_fkey" FOREIGN KEY ("dependency_id") REFERENCES "stage"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "checkpoint" ADD CONSTRAINT "checkpoint_stage_id_fkey" FOREIGN KEY ("stage_id") REFERENCES "stage"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "run_metric" ADD CONSTRAINT "run_metric_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "run"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "job_event" ADD CONSTRAINT "job_event_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "outbox" ADD CONSTRAINT "outbox_stage_id_fkey" FOREIGN KEY ("stage_id") REFERENCES "stage"("id") ON DELETE CASCADE ON UPDATE RESTRICT;

-- Statuses and kinds: the words of packages/contracts.
ALTER TABLE "dataset" ADD CONSTRAINT "dataset_status_check" CHECK ("status" IN ('queued', 'running', 'ready', 'failed'));
ALTER TABLE "job" ADD CONSTRAINT "job_status_check" CHECK ("status" IN ('queued', 'running', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "run" ADD CONSTRAINT "run_status_check" CHECK ("status" IN ('queued', 'running', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "stage" ADD CONSTRAINT "stage_status_check" CHECK ("status" IN ('waiting', 'queued', 'running', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "stage" ADD CONSTRAINT "stage_kind_check" CHECK ("kind" IN ('ingest', 'embed', 'reduce', 'train', 'evaluate'));
ALTER TABLE "stage_result" ADD CONSTRAINT "stage_result_kind_check" CHECK ("kind" IN ('ingest', 'embed', 'reduce', 'train', 'evaluate'));
ALTER TABLE "run_metric" ADD CONSTRAINT "run_metric_phase_check" CHECK ("phase" IN ('rela', 'method'));
ALTER TABLE "job_event" ADD CONSTRAINT "job_event_type_check" CHECK ("type" IN ('job', 'run', 'stage', 'switch', 'checkpoint'));

-- What has to hold of a row in each state.
ALTER TABLE "dataset" ADD CONSTRAINT "dataset_ready_check" CHECK ("status" <> 'ready' OR ("digest" IS NOT NULL AND "train" IS NOT NULL));
ALTER TABLE "stage" ADD CONSTRAINT "stage_owner_check" CHECK (("job_id" IS NULL) = ("dataset_id" IS NOT NULL));
ALTER TABLE "stage" ADD CONSTRAINT "stage_lease_check" CHECK (("status" = 'running') = ("lease_until" IS NOT NULL));
ALTER TABLE "stage" ADD CONSTRAINT "stage_result_check" CHECK (("status" = 'succeeded') = ("result" IS NOT NULL));
