-- What can be computed again, or was used by nobody for long, is removed after a while: see packages/database/src/repositories/garbage.ts.

-- When a job last took the result: those that nobody takes any more are forgotten first.
ALTER TABLE "stage_result" ADD COLUMN "used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp();
CREATE INDEX "stage_result_used_at_idx" ON "stage_result"("used_at");

-- Digests that some row names, collected anew for every sweep.
CREATE UNLOGGED TABLE "artifact_reference" (
    "digest" TEXT NOT NULL,

    CONSTRAINT "artifact_reference_pkey" PRIMARY KEY ("digest")
);

CREATE INDEX "job_ended_at_idx" ON "job"("ended_at");
